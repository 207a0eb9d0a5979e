// SPDX-License-Identifier: MIT
#include "cap/park.hpp"

namespace cap {

Result<void> park(Memory memory, std::uint64_t offset, std::uint32_t expected, std::uint64_t timeout_ns) {
    return detail::nothing(
        cap_call(memory.slot(), abi::Op::kParkShared, offset, expected, timeout_ns).result);
}

Result<std::uint64_t> unpark(Memory memory, std::uint64_t offset, std::uint64_t count) {
    return to_result(cap_call(memory.slot(), abi::Op::kUnparkShared, offset, count).result);
}

}  // namespace cap
