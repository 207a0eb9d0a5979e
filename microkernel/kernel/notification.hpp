// SPDX-License-Identifier: MIT
// Notification: a word of bits. Signals or bits in; one waiter at a time takes and clears them.
#pragma once
#include "core/result.hpp"
#include "kernel/completion.hpp"
#include "kernel/object.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

class Notification final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kNotification;

    Notification() : Object(kType) {}

    void signal(std::uint64_t bits);
    bool signal_nobody(std::uint64_t bits);  // false: somebody waits, and nothing is done
    std::uint64_t poll();
    std::uint64_t poll_now();  // the same, in place
    // Bits that were set already, or 0 and `waiter` is kept. kBusy: somebody else waits.
    core::Result<std::uint64_t> wait(PendingOp waiter);
    PendingOp withdraw(Thread& caller, std::uint64_t user_data) override;

private:
    void destroy() override;

    SpinLock lock_{LockRank::kNotification};
    std::uint64_t bits_ COX_GUARDED_BY(lock_) = 0;
    PendingOp waiter_ COX_GUARDED_BY(lock_);
};

}  // namespace cox
