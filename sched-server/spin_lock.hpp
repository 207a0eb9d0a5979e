// SPDX-License-Identifier: MIT
//
// The server's one lock. It guards the Dispatcher, and with it the policy; nothing else is shared between
// agents.
//
// Holding it, an agent makes no call and touches no memory that could fault, for at most one round of
// Agent::decide(). Who spins meanwhile is another agent. The holder cannot be kept from its CPU for long: it
// is an agent, so it runs before all other threads there, and nobody but its own budget (kAgentBudgetNs,
// hundreds of times a round) ends that; an agent that lost its precedence by fallback waits for slices of
// kFallbackSliceNs at most. No thread of lower standing takes the lock: the main thread adopts before the
// first agent is started.
#pragma once

#include <atomic>

namespace sched {

class __attribute__((capability("lock"))) SpinLock {
public:
    constexpr SpinLock() = default;
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    void lock() __attribute__((acquire_capability())) {
        // Acquire: pairs with the release in unlock().
        while (held_.exchange(true, std::memory_order_acquire)) {
            while (held_.load(std::memory_order_relaxed)) {
                __builtin_ia32_pause();
            }
        }
    }
    void unlock() __attribute__((release_capability())) { held_.store(false, std::memory_order_release); }

private:
    std::atomic<bool> held_{false};
};

class __attribute__((scoped_lockable)) SpinGuard {
public:
    explicit SpinGuard(SpinLock& lock) __attribute__((acquire_capability(lock))) : lock_(lock) {
        lock_.lock();
    }
    ~SpinGuard() __attribute__((release_capability())) { lock_.unlock(); }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;

private:
    SpinLock& lock_;
};

}  // namespace sched
