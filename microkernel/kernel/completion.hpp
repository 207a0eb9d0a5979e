// SPDX-License-Identifier: MIT
// An operation in flight: whom it belongs to and how its completion is marked. Whoever finishes it calls complete(); the
// completion finds the thread by its generation-checked reference, and is dropped and counted if that has gone.
#pragma once
#include <cstdint>
#include <utility>

#include "abi/types.hpp"

namespace cox {

struct PendingOp {
    static constexpr std::uint32_t kLinked = 1U << 31;  // in the index, so that both go in registers

    abi::ThreadRef thread;  // none: nobody waits
    std::uint64_t user_data = 0;

    abi::ThreadRef owner() const { return {thread.index & ~kLinked, thread.generation}; }
    bool linked() const { return thread.index & kLinked; }  // kLink: its ring holds back what comes next
    explicit operator bool() const { return static_cast<bool>(thread); }
};

// Takes out the operation that `waiter` holds, if it is this one. Under the lock that guards it.
inline PendingOp withdraw_if(PendingOp& waiter, abi::ThreadRef thread, std::uint64_t user_data) {
    const bool same = waiter.owner() == thread && waiter.user_data == user_data;
    return same ? std::exchange(waiter, {}) : PendingOp{};
}

// Any CPU, holding no lock: it may wake the thread. False: the thread has gone.
bool complete(const PendingOp& op, std::int64_t result, std::uint64_t second = 0);
// Whether its thread has not gone, though others may refer to it still. Holding no lock.
bool waits_still(const PendingOp& op);

}  // namespace cox
