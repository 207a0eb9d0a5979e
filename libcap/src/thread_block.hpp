// SPDX-License-Identifier: MIT
//
// The memory of a thread: its ring, its stack, and what is thread-local. Internal to libcap.
//
//     base        kRingPages: the ring
//     one page    unmapped: running over the stack faults
//     stack       grows down; what carve() was asked for is above it
//     local       the program's thread_local variables
//     tcb         kTcbSize bytes at the end: FS points there, and its first word to itself
//
// Blocks for stacks of at most kDefaultStackPages come from a pool, whose addresses are used again: as many as
// there can be threads. A few that were given back stay mapped. Any thread may call.
#pragma once

#include "cap/env.hpp"
#include "cap/layout.hpp"

#include <cstddef>
#include <cstdint>

namespace cap {

struct ThreadBlock {
    std::uint64_t base = 0;
    std::uint64_t stack_pages = 0;
    std::uint64_t stack = 0;  // as far as it is used
    bool pooled = false;
    bool has_ring = false;  // mapped, from the thread before

    [[nodiscard]] std::uint64_t ring_address() const { return base; }
    [[nodiscard]] std::uint64_t bottom() const { return base + (abi::kRingPages + 1) * abi::kPageSize; }
    [[nodiscard]] std::uint64_t tcb() const {
        return bottom() + stack_pages * abi::kPageSize - abi::kTcbSize;
    }
    // Room on the stack, above where it will begin; always a multiple of 16.
    [[nodiscard]] void* carve(std::size_t size, std::size_t alignment) {
        stack = (stack - size) & ~(alignment < 16 ? std::uint64_t{15} : alignment - 1);
        return reinterpret_cast<void*>(stack);
    }
};

// The stack mapped, what is thread-local set up. `pooled`: it will be given back.
[[nodiscard]] Result<ThreadBlock> take_thread_block(const Env& env, std::uint64_t stack_pages, bool pooled);

// Nothing runs there any more.
void give_back(const Env& env, const ThreadBlock& block);

}  // namespace cap
