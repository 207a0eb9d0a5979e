// SPDX-License-Identifier: MIT
#include "kernel/ending.hpp"

#include <utility>

#include "abi/error.hpp"

namespace cox {

core::Result<bool> Ending::wait(PendingOp waiter, std::uint64_t& code) {
    for (PendingOp other;;) {
        {
            SpinGuard guard(lock_);
            code = code_;
            if (come_) return true;
            if (waiter_.thread == other.thread) {  // none, or one that has gone
                waiter_ = waiter;
                return false;
            }
            other = waiter_;
        }
        if (waits_still(other)) return core::fail(abi::Error::kBusy);
    }
}

PendingOp Ending::withdraw(abi::ThreadRef thread, std::uint64_t user_data) {
    SpinGuard guard(lock_);
    return withdraw_if(waiter_, thread, user_data);
}

void Ending::come(std::uint64_t code) {
    PendingOp waiter;
    {
        SpinGuard guard(lock_);
        come_ = true;
        code_ = code;
        waiter = std::exchange(waiter_, {});
    }
    if (waiter) complete(waiter, static_cast<std::int64_t>(code));
}

void Ending::give_up() {
    PendingOp waiter;
    {
        SpinGuard guard(lock_);
        waiter = std::exchange(waiter_, {});
    }
    if (waiter) complete(waiter, static_cast<std::int64_t>(abi::Error::kGone));
}

}  // namespace cox
