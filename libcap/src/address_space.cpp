// SPDX-License-Identifier: MIT
#include "cap/address_space.hpp"

namespace cap {

Result<std::uint64_t> AddressSpace::reserve(std::uint64_t pages) {
    std::uint64_t begin = next_.load(std::memory_order_relaxed);
    for (;;) {
        // One page stays free in front of the range, and so behind the one before.
        const std::uint64_t room = begin < end_ ? (end_ - begin) / abi::kPageSize : 0;
        if (pages >= room) {
            return fail(abi::Error::kNoMemory);
        }
        const std::uint64_t after = begin + (pages + 1) * abi::kPageSize;
        // Only the number matters: relaxed.
        if (next_.compare_exchange_weak(begin, after, std::memory_order_relaxed)) {
            return begin + abi::kPageSize;
        }
    }
}

}  // namespace cap
