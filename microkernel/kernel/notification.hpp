// SPDX-License-Identifier: MIT
// Notification: a word of bits. Signals or bits in; one waiter at a time takes and clears them. Page faults of threads set bits of it, too
// (fault.hpp): these threads wait until somebody has dealt with their faults, or the notification goes.
#pragma once
#include "core/result.hpp"
#include "kernel/completion.hpp"
#include "kernel/fault_handler.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

class Notification final : public FaultTarget {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kNotification;

    Notification() : FaultTarget(kType) {}

    void signal(std::uint64_t bits);
    bool signal_nobody(std::uint64_t bits);  // false: somebody waits, and nothing is done
    std::uint64_t poll();
    std::uint64_t poll_now();  // the same, in place
    // Bits that were set already, or 0 and `waiter` is kept. kBusy: somebody else waits.
    core::Result<std::uint64_t> wait(PendingOp waiter);
    PendingOp withdraw(Thread& caller, std::uint64_t user_data) override;

private:
    friend class PageFault;  // whose notes are outstanding here
    void destroy() override;
    void free_memory() override;

    SpinLock lock_{LockRank::kNotification};
    std::uint16_t faulted_ COX_GUARDED_BY(lock_) = 0;  // 1 + the line of the first; 0: none
    std::uint64_t bits_ COX_GUARDED_BY(lock_) = 0;
    PendingOp waiter_ COX_GUARDED_BY(lock_);
};
static_assert(sizeof(Notification) == 64, "a piece of the heap: what its quota pays");

}  // namespace cox
