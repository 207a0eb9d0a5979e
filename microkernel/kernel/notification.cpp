// SPDX-License-Identifier: MIT
#include "kernel/notification.hpp"

#include "kernel/heap.hpp"
#include "kernel/thread_table.hpp"

namespace cox {

void Notification::signal(std::uint64_t bits) {
    PendingOp waiter;
    {
        SpinGuard guard(lock_);
        bits_ |= bits;
        if (bits_ == 0 || !waiter_) return;
        waiter = std::exchange(waiter_, {});
        bits = std::exchange(bits_, 0);
    }
    complete(waiter, static_cast<std::int64_t>(bits));
}

std::uint64_t Notification::poll() {
    SpinGuard guard(lock_);
    return std::exchange(bits_, 0);
}

core::Result<std::uint64_t> Notification::wait(PendingOp waiter) {
    abi::ThreadRef other;
    {
        SpinGuard guard(lock_);
        if (bits_) return std::exchange(bits_, 0);
        if (!waiter_) {
            waiter_ = waiter;
            return std::uint64_t{0};
        }
        other = waiter_.thread;
    }
    if (find_thread(other)) return core::fail(abi::Error::kBusy);
    {
        SpinGuard guard(lock_);  // a waiter that has gone makes room
        if (waiter_.thread == other) waiter_ = {};
    }
    return wait(waiter);
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
