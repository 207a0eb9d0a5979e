// SPDX-License-Identifier: MIT
// The kernel's one lock. The kernel runs with interrupts off, so a lock is held for a bounded time; nobody waits for another
// CPU, and nobody completes, wakes or sends, while holding one. docs/locking.md explains; the order is this enum: a
// lock may be taken only while all that are held stand before it. A debug build checks.
#pragma once
#include <atomic>
#include <cstdint>

#include "arch/asm.hpp"
#include "kernel/config.hpp"

#define COX_CAPABILITY __attribute__((capability("lock")))
#define COX_SCOPED __attribute__((scoped_lockable))
#define COX_GUARDED_BY(lock) __attribute__((guarded_by(lock)))
// What the analysis cannot follow: it says why.
#define COX_UNCHECKED __attribute__((no_thread_safety_analysis))
#define COX_REQUIRES(lock) __attribute__((requires_capability(lock)))

namespace cox {

enum class LockRank : std::uint8_t {
    kLoans,         // which domain has lent which CPU to which
    kDomain,        // server, mode, agents
    kAgent,         // its wait for events
    kProcess,       // threads, dying, gone
    kEnding,        // exit code, who waits for it
    kFault,         // who is told of page faults, and of which
    kNotification,  // bits, waiter, whose page faults it was told of
    kTimer,         // when, how often
    kIrq,           // interrupt lines
    kEndpoint,      // callers, receivers
    kCapTable,
    kDerivation,   // which capability was derived from which
    kThreadTable,  // free slots
    kPark,         // who is parked
    kRing,         // completion queue
    kAddressSpace,
    kHeap,
    kFrames,
    kLog,
};

// Debug build: the ranks that this CPU holds, as a bit mask. In lock_check.cpp.
void check_acquire(LockRank rank);
void check_release(LockRank rank);

class COX_CAPABILITY SpinLock {
public:
    constexpr explicit SpinLock(LockRank rank) : rank_(rank) {}
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    void lock() __attribute__((acquire_capability())) {
        if constexpr (kDebugChecks) check_acquire(rank_);
        // acquire: pairs with the release in unlock()
        while (held_.exchange(true, std::memory_order_acquire)) [[unlikely]] {
            while (held_.load(std::memory_order_relaxed)) arch::pause();
        }
    }
    void unlock() __attribute__((release_capability())) {
        held_.store(false, std::memory_order_release);
        if constexpr (kDebugChecks) check_release(rank_);
    }

private:
    std::atomic<bool> held_{false};
    LockRank rank_;
};

class COX_SCOPED SpinGuard {
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

}  // namespace cox
