// SPDX-License-Identifier: MIT
//
// Hands out page ranges of the own address space, upwards from StartInfo::free_address, never taking one
// back. It reserves addresses only; mapping is Process::map. Any thread may call.
#pragma once

#include "abi/types.hpp"
#include "cap/result.hpp"

#include <atomic>
#include <cstdint>

namespace cap {

class AddressSpace {
public:
    constexpr AddressSpace(std::uint64_t begin, std::uint64_t end) : next_(begin), end_(end) {}

    // `pages` pages whose neighbours on both sides are never handed out, so that running over faults.
    // kNoMemory when the space is used up.
    [[nodiscard]] Result<std::uint64_t> reserve(std::uint64_t pages);

private:
    std::atomic<std::uint64_t> next_;
    std::uint64_t end_;
};

}  // namespace cap
