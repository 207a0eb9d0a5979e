// SPDX-License-Identifier: MIT
//
// The transitions of a thread's state word (layout: abi/sched.hpp). Each names the states that it leaves and enters, moves by
// compare-and-swap from what it saw, and says what happened; nothing else ever writes a word. docs/scheduling.md has the table.
//
// Who may call: "owner" is the CPU in the word while the thread is running or queued; "anyone" may move a thread only out of
// created, waiting, unplaced and suspended. Requests of others are bits, consumed here by every transition of the owner.
//
// A suspended thread remembers in "wake pending" what it comes back to: with it, it is runnable; without, it still waits, and a
// wake that comes meanwhile sets the bit.
//
// "Wake owed" stands in an unplaced or suspended thread that a wake has made runnable, until somebody places it: the wake that was
// to be placed is counted then, once (kernel/wake_ledger.hpp).
//
// Atomics: a transition releases what its caller wrote to the thread (registers, floating-point state) and acquires what the last
// one released, so whoever wins a thread sees it whole. seq_cst, because posting an event relies on "change the state, full
// fence, look at the token" (core/event_token.hpp).
#pragma once

#include "abi/sched.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace cox::core {

using abi::Cause;
using abi::ThreadState;
using abi::ThreadWord;

// What a transition did: the word that it stored, or nothing and the word that it found.
struct Transition {
    bool done;
    ThreadWord word;
};

class ThreadStateWord {
public:
    explicit ThreadStateWord(std::atomic<std::uint64_t>& word) : word_(word) {}

    [[nodiscard]] ThreadWord load() const { return {word_.load(std::memory_order_seq_cst)}; }

    // free → created, on the line's first CPU. The sequence goes on from the line's last thread. Creator.
    void create(std::uint32_t cpu) {
        const ThreadWord old = load();
        word_.store(make(ThreadState::kCreated, cpu, old.sequence() + 1, Cause::kNone),
                    std::memory_order_seq_cst);
    }

    // created → created on another CPU. Its creator.
    Transition move_created(std::uint32_t cpu) {
        return change([cpu](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kCreated) return std::nullopt;
            return make(ThreadState::kCreated, cpu, w.sequence(), Cause::kNone);
        });
    }

    // created → unplaced; created → queued, for threads that the kernel places by itself. Anyone, and only one.
    Transition start() { return start_as(ThreadState::kUnplaced, kWakeOwed); }
    Transition start_to_queue() { return start_as(ThreadState::kQueued, kPlacedByKernel); }

    // waiting → unplaced; waiting → queued, for threads that the kernel places by itself. Anyone. A thread that is still
    // running, or suspended, keeps the wake pending. Fails for one that is runnable when resumed, as for one that is unplaced.
    Transition wake() { return wake_as(ThreadState::kUnplaced, {}, kWakeOwed); }
    Transition wake_to_queue() { return wake_as(ThreadState::kQueued, {}, kPlacedByKernel); }
    // The same, to the queue of another CPU, as the server's hint says.
    Transition wake_hinted(std::uint32_t cpu) { return wake_as(ThreadState::kQueued, cpu, 0); }

    // The common case of it: fails unless the thread waits.
    Transition wake_waiting(std::uint32_t cpu) {
        return change([cpu](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kWaiting) return std::nullopt;
            return make(ThreadState::kQueued, cpu, w.sequence() + 1, Cause::kWoken);
        });
    }

    // unplaced → queued, if nothing has changed since `expected`: by a commit of the server, or by the kernel for the
    // cause given. Anyone.
    Transition place(ThreadWord expected, std::uint32_t cpu) {
        return place_as(expected, (expected.raw & (kSequence | kCauseMask)) + queued_by_commit(cpu));
    }
    // The same of one that was last on that CPU; fails, too, if it was not. `to`: queued_by_commit() of the CPU.
    static constexpr std::uint64_t queued_by_commit(std::uint32_t cpu) {
        return make(ThreadState::kQueued, cpu, 1, Cause::kNone);
    }
    Transition place_again(ThreadWord expected, std::uint32_t cpu, std::uint64_t to) {
        return change_from(expected,
                           (expected.raw & 0xffff) == make(ThreadState::kUnplaced, cpu, 0, Cause::kNone),
                           (expected.raw & (kSequence | kCauseMask)) + to);
    }
    // unplaced → running: the same, and dispatch() at once. Its CPU, on which nothing else is queued. `to`: running_by_commit().
    static constexpr std::uint64_t running_by_commit(std::uint32_t cpu) {
        return make(ThreadState::kRunning, cpu, 1, Cause::kNone);
    }
    Transition place_and_dispatch(ThreadWord expected, std::uint64_t to) {
        constexpr auto kWait = static_cast<std::uint64_t>(ThreadState::kUnplaced) -
                               static_cast<std::uint64_t>(ThreadState::kRunning);
        return change_from(expected, (expected.raw & 0xffff) == (to & 0xffff) + kWait,
                           (expected.raw & (kSequence | kCauseMask)) + to);
    }
    Transition place_by_kernel(ThreadWord expected, std::uint32_t cpu, Cause cause) {
        return place_as(expected,
                        make(ThreadState::kQueued, cpu, expected.sequence(), cause) | kPlacedByKernel);
    }

    // queued → running. Owner. Fails when a request waits.
    Transition dispatch() {
        return change([](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kQueued || w.requests() != 0) return std::nullopt;
            return w.raw - static_cast<std::uint64_t>(ThreadState::kQueued) +
                   static_cast<std::uint64_t>(ThreadState::kRunning);
        });
    }

    // running → queued on the same CPU. Owner.
    Transition requeue(Cause cause) { return requeue_unless(0, cause); }
    // The same for a thread that the server has placed: fails for one that the kernel has.
    Transition requeue_placed(Cause cause) { return requeue_unless(kPlacedByKernel, cause); }

    // running → waiting, or suspended if that is asked for. Owner. A pending wake is consumed instead: done is true and
    // the state still running. Fails when a kill waits; other requests are fulfilled by leaving the CPU.
    Transition block(Cause cause = Cause::kBlocked) {
        return change([cause](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kRunning || w.requests() & abi::kRequestKill) return std::nullopt;
            if (w.wake_pending()) return w.raw & ~kWakePending;
            if (w.requests() & abi::kRequestSuspend)
                return make(ThreadState::kSuspended, w.cpu(), w.sequence() + 1, Cause::kSuspended);
            return make(ThreadState::kWaiting, w.cpu(), w.sequence() + 1, cause);
        });
    }

    // The common case of it: fails when anything else is to be done, or the kernel has placed the thread.
    Transition block_placed() {
        return change([](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kRunning || w.requests() != 0 ||
                w.raw & (kWakePending | kPlacedByKernel))
                return std::nullopt;
            return make(ThreadState::kWaiting, w.cpu(), w.sequence() + 1, Cause::kBlocked);
        });
    }

    // running → waiting, whoever has placed the thread, and waiting → running in the place of one that has just left by this: `from` is
    // what that was. Both fail when anything else is to be done. `to`: waiting_in_call() of the CPU.
    static constexpr std::uint64_t waiting_in_call(std::uint32_t cpu, Cause cause) {
        return make(ThreadState::kWaiting, cpu, 1, cause);
    }
    Transition block_in_call(ThreadWord expected, std::uint64_t to) {
        constexpr std::uint64_t kOther = 0x7full << kRequestShift | kWakePending | 0xff;
        return change_from(expected,
                           (expected.raw & kOther) == static_cast<std::uint64_t>(ThreadState::kRunning),
                           (expected.raw & kSequence) + to);
    }
    Transition continue_call(ThreadWord from) {
        const auto expected = load();
        return change_from(expected, expected.state() == ThreadState::kWaiting,
                           (expected.raw & kSequence) + static_cast<std::uint32_t>(from.raw));
    }

    // running or queued → unplaced, or suspended if that is asked for. Owner. Requests but the kill are fulfilled by it.
    Transition unplace(Cause cause) {
        return change([cause](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kRunning && w.state() != ThreadState::kQueued) return std::nullopt;
            if (w.requests() & abi::kRequestKill) return std::nullopt;
            if (w.requests() & abi::kRequestSuspend)
                return make(ThreadState::kSuspended, w.cpu(), w.sequence() + 1, Cause::kSuspended) |
                       kWakePending;
            return make(ThreadState::kUnplaced, w.cpu(), w.sequence() + 1, cause) | (w.raw & kWakePending);
        });
    }

    // running → running, queued → queued: forget the requests in `mask`. Owner; kRequestSuspend: anyone. Elsewhere there
    // are none.
    Transition clear_requests(std::uint32_t mask) {
        return change([mask](ThreadWord w) -> std::optional<std::uint64_t> {
            return w.raw & ~(std::uint64_t{mask} << kRequestShift);
        });
    }

    // running or queued: set a request bit for the owner. Anyone. Fails in every other state.
    Transition request(std::uint32_t bits) {
        return change([bits](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kRunning && w.state() != ThreadState::kQueued) return std::nullopt;
            return w.raw | std::uint64_t{bits} << kRequestShift;
        });
    }

    // running or queued → gone. Owner.
    Transition exit(Cause cause) {
        return change([cause](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kRunning && w.state() != ThreadState::kQueued) return std::nullopt;
            return make(ThreadState::kGone, w.cpu(), w.sequence() + 1, cause);
        });
    }

    // waiting or unplaced → suspended, if nothing has changed since `expected`. Anyone.
    Transition suspend(ThreadWord expected) {
        const ThreadState s = expected.state();
        return change_from(
            expected, s == ThreadState::kWaiting || s == ThreadState::kUnplaced,
            make(ThreadState::kSuspended, expected.cpu(), expected.sequence() + 1, Cause::kSuspended) |
                (s == ThreadState::kUnplaced ? kWakePending | (expected.raw & kWakeOwed) : 0));
    }

    // suspended → waiting; or, woken meanwhile or runnable before: → unplaced, or queued for threads that the kernel
    // places by itself. If nothing has changed since `expected`. Anyone.
    Transition resume(ThreadWord expected, bool to_queue) {
        const ThreadState to = !expected.wake_pending() ? ThreadState::kWaiting
                               : to_queue               ? ThreadState::kQueued
                                                        : ThreadState::kUnplaced;
        return change_from(expected, expected.state() == ThreadState::kSuspended,
                           make(to, expected.cpu(), expected.sequence() + 1, Cause::kResumed) |
                               (to == ThreadState::kQueued ? kPlacedByKernel : expected.raw & kWakeOwed));
    }

    // created, waiting, unplaced or suspended → gone, if nothing has changed since `expected`. Anyone.
    Transition kill(ThreadWord expected) {
        const ThreadState s = expected.state();
        return change_from(expected,
                           s == ThreadState::kCreated || s == ThreadState::kWaiting ||
                               s == ThreadState::kUnplaced || s == ThreadState::kSuspended,
                           make(ThreadState::kGone, expected.cpu(), expected.sequence() + 1, Cause::kKilled));
    }

    // gone → free. Whoever holds the last reference.
    void free() {
        const ThreadWord old = load();
        word_.store(make(ThreadState::kFree, 0, old.sequence(), Cause::kNone), std::memory_order_seq_cst);
    }

    static constexpr std::uint64_t kWakeOwed = 1 << 23, kWakePending = 1 << 24, kPlacedByKernel = 1 << 25;
    static constexpr std::uint64_t kSequence = ~std::uint64_t{0} << 32;
    static constexpr std::uint64_t kCauseMask = std::uint64_t{0x3f} << 26;
    static constexpr unsigned kRequestShift = 16;

private:
    static constexpr std::uint64_t cause_bits(Cause cause) {
        return std::uint64_t{static_cast<std::uint8_t>(cause)} << 26;
    }
    static constexpr std::uint64_t make(ThreadState state, std::uint32_t cpu, std::uint32_t sequence,
                                        Cause cause) {
        return std::uint64_t{sequence} << 32 | cause_bits(cause) | std::uint64_t{cpu & 0xff} << 8 |
               static_cast<std::uint8_t>(state);
    }
    static constexpr std::uint64_t with_state(ThreadWord w, ThreadState state) {
        return (w.raw & ~std::uint64_t{0xff}) | static_cast<std::uint8_t>(state);
    }

    Transition requeue_unless(std::uint64_t bits, Cause cause) {
        return change([bits, cause](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kRunning || w.requests() != 0 || w.raw & bits) return std::nullopt;
            return (with_state(w, ThreadState::kQueued) & ~kCauseMask) | cause_bits(cause);
        });
    }

    Transition start_as(ThreadState state, std::uint64_t bits) {
        return change([state, bits](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() != ThreadState::kCreated) return std::nullopt;
            return make(state, w.cpu(), w.sequence() + 1, Cause::kStarted) | bits;
        });
    }

    Transition wake_as(ThreadState state, std::optional<std::uint32_t> cpu, std::uint64_t bits) {
        return change([state, cpu, bits](ThreadWord w) -> std::optional<std::uint64_t> {
            if (w.state() == ThreadState::kWaiting) [[likely]]
                return make(state, cpu.value_or(w.cpu()), w.sequence() + 1, Cause::kWoken) | bits;
            switch (w.state()) {
                case ThreadState::kRunning:
                case ThreadState::kQueued: return w.raw | kWakePending;
                case ThreadState::kSuspended:
                    if (w.wake_pending()) return std::nullopt;
                    return w.raw | kWakePending | kWakeOwed;
                default: return std::nullopt;
            }
        });
    }

    Transition place_as(ThreadWord expected, std::uint64_t to) {
        return change_from(expected, expected.state() == ThreadState::kUnplaced, to);
    }

    Transition change_from(ThreadWord expected, bool allowed, std::uint64_t to) {
        std::uint64_t from = expected.raw;
        const bool done = allowed && word_.compare_exchange_strong(from, to);
        return {done, {done ? to : from}};
    }

    // Tries again only when somebody else has changed the word, so it is lock-free.
    template <class Next>
    Transition change(Next next) {
        // seq_cst: a request that finds no owner has to be ordered after what it is about (set_affinity).
        std::uint64_t old = word_.load(std::memory_order_seq_cst);
        for (;;) {
            const std::optional<std::uint64_t> to = next(ThreadWord{old});
            if (!to) return {false, {old}};
            if (word_.compare_exchange_weak(old, *to)) return {true, {*to}};
        }
    }

    std::atomic<std::uint64_t>& word_;
};

}  // namespace cox::core
