// SPDX-License-Identifier: MIT
// The end of a thread or a process, and who waits for it: one thread at a time; one that has gone itself makes room.
#pragma once
#include "core/result.hpp"
#include "kernel/completion.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

class Ending {
public:
    // True: it has come, with `code`. False: `waiter` is completed with it when it comes. kBusy. Holding no lock.
    core::Result<bool> wait(PendingOp waiter, std::uint64_t& code);
    // The operation of `thread` that waits, no longer does. None: there is none such.
    PendingOp withdraw(abi::ThreadRef thread, std::uint64_t user_data);
    // Once. Holding no lock.
    void come(std::uint64_t code);
    // It will not come: nobody refers to the thing any more.
    void give_up();

private:
    SpinLock lock_{LockRank::kEnding};
    bool come_ COX_GUARDED_BY(lock_) = false;
    std::uint64_t code_ COX_GUARDED_BY(lock_) = 0;
    PendingOp waiter_ COX_GUARDED_BY(lock_);
};

}  // namespace cox
