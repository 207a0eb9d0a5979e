// SPDX-License-Identifier: MIT
#include "core/assert.hpp"
#include "kernel/cpu.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

namespace {
std::uint32_t bit(LockRank rank) { return 1u << static_cast<unsigned>(rank); }
}  // namespace

void check_acquire(LockRank rank) {
    if (!cpus_ready) return;  // one CPU, no GS base yet
    std::uint32_t& held = this_cpu().locks_held;
    COX_ASSERT(held < bit(rank));  // everything held stands before this one in the order
    held |= bit(rank);
}

void check_release(LockRank rank) {
    if (!cpus_ready) return;
    this_cpu().locks_held &= ~bit(rank);
}

}  // namespace cox
