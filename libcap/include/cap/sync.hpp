// SPDX-License-Identifier: MIT
//
// Mutex, ConditionVariable, Semaphore, Latch, Barrier and Once for the threads of one process, over park and unpark.
// None of them makes a system call where nobody has to wait. A killed thread lets nothing go that it holds.
//
// The mutex is the third of U. Drepper, "Futexes Are Tricky" (2011): free, held, held and perhaps waited for. Names and
// meanings are those of the standard library, as far as they go.
#pragma once

#include "cap/park.hpp"

#include <atomic>
#include <cstdint>

namespace cap {

template <class Parking>
class BasicMutex {
public:
    constexpr BasicMutex() = default;
    BasicMutex(const BasicMutex&) = delete;
    BasicMutex& operator=(const BasicMutex&) = delete;

    [[nodiscard]] bool try_lock() {
        std::uint32_t expected = kFree;
        // acquire: pairs with the release in unlock()
        return word_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }
    void lock() {
        if (try_lock()) [[likely]] {
            return;
        }
        // Whoever has waited once cannot know whether others do: it holds the lock as waited for.
        while (word_.exchange(kWaitedFor, std::memory_order_acquire) != kFree) {
            Parking::park(word_, kWaitedFor);
        }
    }
    void unlock() {
        if (word_.exchange(kFree, std::memory_order_release) == kWaitedFor) [[unlikely]] {
            Parking::unpark(word_, 1);
        }
    }

private:
    static constexpr std::uint32_t kFree = 0, kHeld = 1, kWaitedFor = 2;
    std::atomic<std::uint32_t> word_{kFree};
};

template <class Parking>
class BasicLock {
public:
    explicit BasicLock(BasicMutex<Parking>& mutex) : mutex_(mutex) { mutex_.lock(); }
    ~BasicLock() { mutex_.unlock(); }
    BasicLock(const BasicLock&) = delete;
    BasicLock& operator=(const BasicLock&) = delete;

private:
    BasicMutex<Parking>& mutex_;
};

// wait() may return though nobody has notified: look at the condition again. Notify with the mutex held, or after.
template <class Parking>
class BasicConditionVariable {
public:
    void wait(BasicMutex<Parking>& mutex) {
        // Read with the mutex held: a notification after it changes the number, and then nobody parks.
        const std::uint32_t seen = sequence_.load(std::memory_order_relaxed);
        waiters_.fetch_add(1, std::memory_order_seq_cst);
        mutex.unlock();
        Parking::park(sequence_, seen);
        waiters_.fetch_sub(1, std::memory_order_relaxed);
        mutex.lock();
    }
    template <class Condition>
    void wait(BasicMutex<Parking>& mutex, Condition condition) {
        while (!condition()) {
            wait(mutex);
        }
    }
    void notify_one() { notify(1); }
    void notify_all() { notify(kAll); }

private:
    void notify(std::uint64_t count) {
        sequence_.fetch_add(1, std::memory_order_seq_cst);
        // Pairs with the addition in wait(): whoever is not counted here reads the new number.
        if (waiters_.load(std::memory_order_seq_cst) != 0) {
            Parking::unpark(sequence_, count);
        }
    }
    std::atomic<std::uint32_t> sequence_{0};
    std::atomic<std::uint32_t> waiters_{0};
};

template <class Parking>
class BasicSemaphore {
public:
    constexpr explicit BasicSemaphore(std::uint32_t count) : count_(count) {}

    [[nodiscard]] bool try_acquire() {
        std::uint32_t count = count_.load(std::memory_order_relaxed);
        while (count != 0) {
            // acquire: pairs with the release in release()
            if (count_.compare_exchange_weak(count, count - 1, std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }
    void acquire() {
        while (!try_acquire()) {
            waiters_.fetch_add(1, std::memory_order_seq_cst);
            Parking::park(count_, 0);
            waiters_.fetch_sub(1, std::memory_order_relaxed);
        }
    }
    void release(std::uint32_t n = 1) {
        count_.fetch_add(n, std::memory_order_seq_cst);
        // Pairs with the addition in acquire(): whoever is not counted here does not find 0.
        if (waiters_.load(std::memory_order_seq_cst) != 0) {
            Parking::unpark(count_, n);
        }
    }

private:
    std::atomic<std::uint32_t> count_;
    std::atomic<std::uint32_t> waiters_{0};
};

template <class Parking>
class BasicLatch {
public:
    constexpr explicit BasicLatch(std::uint32_t count) : left_(count) {}

    void count_down() {
        // acq_rel: whoever waits sees what all have done before
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            Parking::unpark(left_, kAll);
        }
    }
    void wait() const {
        for (std::uint32_t left = 0; (left = left_.load(std::memory_order_acquire)) != 0;) {
            Parking::park(left_, left);
        }
    }
    [[nodiscard]] bool try_wait() const { return left_.load(std::memory_order_acquire) == 0; }

private:
    std::atomic<std::uint32_t> left_;
};

// For `count` threads, again and again.
template <class Parking>
class BasicBarrier {
public:
    constexpr explicit BasicBarrier(std::uint32_t count) : count_(count), left_(count) {}

    void arrive_and_wait() {
        const std::uint32_t phase =
            phase_.load(std::memory_order_relaxed);  // does not change before all are here
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            left_.store(count_, std::memory_order_relaxed);
            phase_.store(phase + 1, std::memory_order_release);  // pairs with the acquire below
            Parking::unpark(phase_, kAll);
            return;
        }
        while (phase_.load(std::memory_order_acquire) == phase) {
            Parking::park(phase_, phase);
        }
    }

private:
    std::uint32_t count_;
    std::atomic<std::uint32_t> left_;
    std::atomic<std::uint32_t> phase_{0};
};

// The function runs once; whoever calls meanwhile waits for its end.
template <class Parking>
class BasicOnce {
public:
    template <class Function>
    void call(Function function) {
        if (state_.load(std::memory_order_acquire) == kDone) [[likely]] {  // pairs with the exchange below
            return;
        }
        std::uint32_t state = kNew;
        if (state_.compare_exchange_strong(state, kRunning, std::memory_order_acquire)) {
            function();
            if (state_.exchange(kDone, std::memory_order_acq_rel) == kWaitedFor) {
                Parking::unpark(state_, kAll);
            }
            return;
        }
        while (state != kDone) {
            if (state == kRunning) {
                state_.compare_exchange_strong(state, kWaitedFor, std::memory_order_acquire);
            }
            Parking::park(state_, kWaitedFor);
            state = state_.load(std::memory_order_acquire);
        }
    }

private:
    static constexpr std::uint32_t kNew = 0, kRunning = 1, kWaitedFor = 2, kDone = 3;
    std::atomic<std::uint32_t> state_{kNew};
};

using Mutex = BasicMutex<KernelParking>;
using Lock = BasicLock<KernelParking>;
using ConditionVariable = BasicConditionVariable<KernelParking>;
using Semaphore = BasicSemaphore<KernelParking>;
using Latch = BasicLatch<KernelParking>;
using Barrier = BasicBarrier<KernelParking>;
using Once = BasicOnce<KernelParking>;

}  // namespace cap
