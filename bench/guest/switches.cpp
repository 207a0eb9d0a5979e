// SPDX-License-Identifier: MIT
// Two threads of one process that wake each other in turn, on one CPU, placed by the kernel: what a switch costs by itself.
#include "bench.hpp"

#include "cap/joining_thread.hpp"
#include "cap/park.hpp"
#include "cap/threads.hpp"

#include <atomic>

namespace {

namespace abi = cox::abi;
using bench::Operation;

struct Pair {
    cap::Notification ping, pong;
};

std::uint64_t answer(cap::Ring& ring, void* argument) {
    const Pair& pair = *static_cast<const Pair*>(argument);
    for (;;) {
        if (!pair.ping.wait(ring) || !pair.pong.signal(1)) {
            return 1;
        }
    }
}

cap::Result<void> ping_pong(const cap::Env& env, std::uint64_t count) {
    Pair pair{TRY(env.process.create_notification()), TRY(env.process.create_notification())};
    const cap::Thread other = TRY(cap::create_sibling(env, answer, &pair));
    TRY(other.start());
    for (std::uint64_t i = 0; i < count; ++i) {
        TRY(pair.ping.signal(1));
        TRY(pair.pong.wait(env.ring));
    }
    TRY(other.kill(0));
    other.drop();
    pair.ping.drop();
    pair.pong.drop();
    return {};
}

// Two threads that are queued here, each of which lets the other run: two switches.
cap::Result<void> yield_ping_pong(const cap::Env& env, std::uint64_t count) {
    cap::JoiningThread other;
    bool stop = false;
    other = TRY(cap::JoiningThread::create(env, [&stop, &other] {
        const cap::Thread me = *other.operator->();
        while (!*const_cast<volatile bool*>(&stop)) {
            me.yield();
        }
    }));
    TRY(other->start());
    for (std::uint64_t i = 0; i < count; ++i) {
        env.thread.yield();
    }
    stop = true;
    TRY(other.join(env.ring));
    return {};
}

// Each wakes the other and parks: two wakes, two switches.
cap::Result<void> park_ping_pong(const cap::Env& env, std::uint64_t count) {
    std::atomic<std::uint32_t> ping{0};
    std::atomic<std::uint32_t> pong{0};
    auto other = TRY(cap::JoiningThread::start(env, [&ping, &pong, count] {
        for (std::uint32_t i = 0; i < count; ++i) {
            (void)cap::park(ping, i);
            pong.store(i + 1, std::memory_order_relaxed);
            cap::unpark(pong, 1);
        }
    }));
    for (std::uint32_t i = 0; i < count; ++i) {
        ping.store(i + 1, std::memory_order_relaxed);
        cap::unpark(ping, 1);
        (void)cap::park(pong, i);
    }
    TRY(other.join(env.ring));
    return {};
}

constexpr std::uint64_t kWaitNs = 50'000;
std::uint64_t wake_ticks = 0;

// From the call that wakes to the woken thread's first instruction, where the waker parks next. The way back is not counted.
cap::Result<void> wake(const cap::Env& env, std::uint64_t count) {
    std::atomic<std::uint32_t> ping{0};
    std::atomic<std::uint32_t> pong{0};
    std::uint64_t begin = 0;
    wake_ticks = 0;
    auto other = TRY(cap::JoiningThread::start(env, [&ping, &pong, &begin, count] {
        for (std::uint32_t i = 0; i < count; ++i) {
            (void)cap::park(ping, i);
            wake_ticks += cap::read_tsc() - begin;
            pong.store(i + 1, std::memory_order_relaxed);
            cap::unpark(pong, 1);
        }
    }));
    for (std::uint32_t i = 0; i < count; ++i) {
        ping.store(i + 1, std::memory_order_relaxed);
        begin = cap::read_tsc();
        cap::unpark(ping, 1);
        (void)cap::park(pong, i);
    }
    TRY(other.join(env.ring));
    return {};
}

// From the end of the time for which it waits to the first instruction of a thread that has its CPU for itself.
cap::Result<void> timed_wake(const cap::Env& env, std::uint64_t count) {
    const std::uint64_t wait_ticks = env.clock.ticks(kWaitNs);
    const std::atomic<std::uint32_t> word{0};
    wake_ticks = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t begin = cap::read_tsc();
        (void)cap::park(word, 0, kWaitNs);
        wake_ticks += cap::read_tsc() - begin - wait_ticks;
    }
    return {};
}

// The same from the wake itself, of which the thread's line tells the time: without the timer's interrupt, and how late that came.
cap::Result<void> wake_to_run(const cap::Env& env, std::uint64_t count) {
    const std::atomic<std::uint32_t> word{0};
    wake_ticks = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        (void)cap::park(word, 0, kWaitNs);
        const std::uint64_t runs = cap::read_tsc();
        wake_ticks += runs - TRY(env.thread.status()).runnable_since;
    }
    return {};
}

constexpr Operation kOperations[] = {
    {"notification_ping_pong", 2'000, ping_pong},   {"yield_ping_pong", 2'000, yield_ping_pong},
    {"park_ping_pong", 2'000, park_ping_pong},      {"wake", 2'000, wake, &wake_ticks},
    {"timed_wake", 2'000, timed_wake, &wake_ticks}, {"wake_to_run", 2'000, wake_to_run, &wake_ticks},
};

}  // namespace

int cap_main(const cap::Env& env) { return bench::run(env, kOperations); }
