// SPDX-License-Identifier: MIT
#include "kernel/notification.hpp"

#include "kernel/heap.hpp"
#include "kernel/thread.hpp"

namespace cox {

void Notification::signal(std::uint64_t bits) {
    for (;;) {
        PendingOp waiter;
        {
            SpinGuard guard(lock_);
            bits_ |= bits;
            if (bits_ == 0 || !waiter_) return;
            waiter = std::exchange(waiter_, {});
            bits = std::exchange(bits_, 0);
        }
        if (complete(waiter, static_cast<std::int64_t>(bits))) return;
        // It has gone, and takes no bits with it.
    }
}

std::uint64_t Notification::poll() {
    SpinGuard guard(lock_);
    return std::exchange(bits_, 0);
}

core::Result<std::uint64_t> Notification::wait(PendingOp waiter) {
    for (PendingOp other;;) {
        {
            SpinGuard guard(lock_);
            if (bits_) return std::exchange(bits_, 0);
            if (waiter_.thread == other.thread) {  // none, or one that has gone: it makes room
                waiter_ = waiter;
                return std::uint64_t{0};
            }
            other = waiter_;
        }
        if (waits_still(other)) return core::fail(abi::Error::kBusy);
    }
}

PendingOp Notification::withdraw(Thread& caller, std::uint64_t user_data) {
    SpinGuard guard(lock_);
    return withdraw_if(waiter_, caller.ref, user_data);
}

void Notification::destroy() {
    PendingOp waiter;
    {
        SpinGuard guard(lock_);
        waiter = waiter_;
    }
    if (waiter) complete(waiter, static_cast<std::int64_t>(abi::Error::kGone));
    dispose(this);
}

}  // namespace cox
