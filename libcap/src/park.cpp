// SPDX-License-Identifier: MIT
#include "cap/park.hpp"

#include "cap/syscall.hpp"
#include "own_slots.hpp"

namespace cap {

namespace {

std::uint64_t address_of(const std::atomic<std::uint32_t>& word) {
    return reinterpret_cast<std::uint64_t>(&word);
}
Result<void> nothing(std::int64_t result) {
    return result < 0 ? fail(static_cast<abi::Error>(result)) : Result<void>();
}

}  // namespace

Result<void> park(const std::atomic<std::uint32_t>& word, std::uint32_t expected, std::uint64_t timeout_ns) {
    return nothing(cap_call(own_process(), abi::Op::kPark, address_of(word), expected, timeout_ns).result);
}

std::uint64_t unpark(const std::atomic<std::uint32_t>& word, std::uint64_t count) {
    const auto woken = cap_call(own_process(), abi::Op::kUnpark, address_of(word), count).result;
    return woken < 0 ? 0
                     : static_cast<std::uint64_t>(woken);  // the word is aligned, and the slot has all rights
}

Result<void> park(Memory memory, std::uint64_t offset, std::uint32_t expected, std::uint64_t timeout_ns) {
    return nothing(cap_call(memory.slot(), abi::Op::kParkShared, offset, expected, timeout_ns).result);
}

Result<std::uint64_t> unpark(Memory memory, std::uint64_t offset, std::uint64_t count) {
    return to_result(cap_call(memory.slot(), abi::Op::kUnparkShared, offset, count).result);
}

}  // namespace cap
