// SPDX-License-Identifier: MIT
#include "kernel/notification.hpp"

#include "kernel/calls.hpp"
#include "kernel/heap.hpp"
#include "kernel/process.hpp"
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

[[gnu::always_inline]] inline std::uint64_t Notification::poll_now() {
    SpinGuard guard(lock_);
    return std::exchange(bits_, 0);
}

std::uint64_t Notification::poll() { return poll_now(); }

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

[[gnu::always_inline]] inline bool Notification::signal_nobody(std::uint64_t bits) {
    SpinGuard guard(lock_);
    if (waiter_) return false;
    bits_ |= bits;
    return true;
}

namespace {

// It was dropped meanwhile; with a call's six arguments, so that it is a jump.
[[gnu::noinline]] CallResult destroy_and_return(std::uint64_t notification, std::uint64_t result,
                                                std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t) {
    reinterpret_cast<Notification*>(notification)->destroy_dropped();
    return {static_cast<std::int64_t>(result), 0};
}

}  // namespace

CallResult call_signal(std::uint64_t slot, std::uint64_t op, std::uint64_t bits, std::uint64_t a1,
                       std::uint64_t a2, std::uint64_t a3) {
    const CapTable& caps = current_thread().process->caps;
    if (!is(op, abi::Op::kSignal) || bits >> 63) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, bits, a1, a2, a3);
    Notification* const bell = caps.hold<Notification>(abi::CapSlot::from_raw(slot), abi::kWrite);
    if (!bell) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, bits, a1, a2, a3);
    if (!bell->signal_nobody(bits)) [[unlikely]] {
        bell->signal(bits);
        bell->release();
        return {0, 0};
    }
    if (bell->drop()) [[unlikely]]
        [[clang::musttail]] return destroy_and_return(reinterpret_cast<std::uint64_t>(bell), 0, any(), any(),
                                                      any(), any());
    return {0, 0};
}

CallResult call_poll(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                     std::uint64_t a2, std::uint64_t a3) {
    const CapTable& caps = current_thread().process->caps;
    if (!is(op, abi::Op::kPollBits)) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, a0, a1, a2, a3);
    Notification* const bell = caps.hold<Notification>(abi::CapSlot::from_raw(slot), abi::kRead);
    if (!bell) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, a0, a1, a2, a3);
    const auto bits = bell->poll_now();
    if (bell->drop()) [[unlikely]]
        [[clang::musttail]] return destroy_and_return(reinterpret_cast<std::uint64_t>(bell), bits, any(),
                                                      any(), any(), any());
    return {static_cast<std::int64_t>(bits), 0};
}

void Notification::destroy() {
    PendingOp waiter;
    {
        SpinGuard guard(lock_);
        waiter = waiter_;
    }
    if (waiter) complete(waiter, static_cast<std::int64_t>(abi::Error::kGone));
    PageFault::all_try_again(*this);
    drop_memory();
}

void Notification::free_memory() { dispose(this); }

}  // namespace cox
