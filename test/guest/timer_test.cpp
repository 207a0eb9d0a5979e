// SPDX-License-Identifier: MIT
//
// Timers: when they expire, what is counted, who may have how many: docs/abi.md, "Timer".
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::Error;

struct Clockwork {
    Owned<cap::Notification> bell;
    Owned<cap::Timer> timer;

    static cap::Result<Clockwork> make(const cap::Env& env, std::uint64_t bits = 1) {
        Clockwork made;
        made.bell = Owned(TRY(env.process.create_notification()));
        made.timer = Owned(TRY(env.process.create_timer(*made.bell, bits)));
        return made;
    }
};

void once(Case& t) {
    const auto work = MUST(t, Clockwork::make(t.env, 6));
    const std::uint64_t begin = cap::read_tsc();
    REQUIRE(t, !MUST(t, work.timer->arm(2 * kMillisecond)));
    REQUIRE_EQUAL(t, MUST(t, work.bell->wait(t.env.ring, patience_ns)), 6u);
    REQUIRE(t, cap::read_tsc() - begin >= t.env.clock.ticks(2 * kMillisecond) - 1000);
    const auto counts = MUST(t, work.timer->read());
    REQUIRE_EQUAL(t, counts.expiries, 1u);
    REQUIRE_EQUAL(t, counts.overruns, 0u);
    REQUIRE_EQUAL(t, MUST(t, work.timer->read()).expiries, 0u);
    REQUIRE(t, !MUST(t, work.timer->disarm()));
}

void at_a_time(Case& t) {
    const auto work = MUST(t, Clockwork::make(t.env));
    const std::uint64_t when = cap::read_tsc() + t.env.clock.ticks(kMillisecond);
    REQUIRE(t, !MUST(t, work.timer->arm_at(when)));
    REQUIRE_EQUAL(t, MUST(t, work.bell->wait(t.env.ring, patience_ns)), 1u);
    REQUIRE(t, cap::read_tsc() >= when);
    REQUIRE_EQUAL(t, MUST(t, work.timer->read()).expiries, 1u);
    // What has passed comes at once: before the call's return.
    for (const std::uint64_t past : {std::uint64_t{0}, when}) {
        REQUIRE(t, !MUST(t, work.timer->arm_at(past)));
        REQUIRE_EQUAL(t, MUST(t, work.bell->poll()), 1u);
        REQUIRE_EQUAL(t, MUST(t, work.timer->read()).expiries, 1u);
    }
}

void again_and_again(Case& t) {
    const auto work = MUST(t, Clockwork::make(t.env));
    REQUIRE(t, !MUST(t, work.timer->arm(kMillisecond, 2 * kMillisecond)));
    const std::uint64_t begin = cap::read_tsc();
    for (int i = 0; i < 5; ++i) {
        REQUIRE_EQUAL(t, MUST(t, work.bell->wait(t.env.ring, patience_ns)), 1u);
    }
    const std::uint64_t elapsed = t.env.clock.ns(cap::read_tsc() - begin);
    REQUIRE(t, MUST(t, work.timer->disarm()));
    // Every period counts, whether the waiter was in time for it or not, and no other.
    const auto counts = MUST(t, work.timer->read());
    REQUIRE(t, counts.expiries >= 5 && counts.expiries <= elapsed / (2 * kMillisecond) + 2);
    (void)MUST(t, work.bell->poll());
    sleep_ns(5 * kMillisecond);
    REQUIRE_EQUAL(t, MUST(t, work.bell->poll()), 0u);
    REQUIRE_EQUAL(t, MUST(t, work.timer->read()).expiries, 0u);
}

void armed_anew(Case& t) {
    const auto work = MUST(t, Clockwork::make(t.env));
    REQUIRE(t, !MUST(t, work.timer->arm(abi::kForever)));  // never passes, but is armed
    REQUIRE(t, MUST(t, work.timer->arm(kMillisecond)));    // earlier
    REQUIRE_EQUAL(t, MUST(t, work.bell->wait(t.env.ring, patience_ns)), 1u);
    REQUIRE(t, !MUST(t, work.timer->arm(kMillisecond, kMillisecond)));
    REQUIRE(t, MUST(t, work.timer->arm(abi::kForever)));  // later, and once
    (void)MUST(t, work.bell->poll());
    (void)MUST(t, work.timer->read());
    sleep_ns(5 * kMillisecond);
    REQUIRE_EQUAL(t, MUST(t, work.timer->read()).expiries, 0u);
    REQUIRE(t, MUST(t, work.timer->disarm()));
    REQUIRE(t, !MUST(t, work.timer->disarm()));
}

void arguments(Case& t) {
    const auto work = MUST(t, Clockwork::make(t.env));
    REQUIRE_ERROR(t, work.timer->arm(0, 1), Error::kBadArgument);
    REQUIRE_ERROR(t, work.timer->arm(0, abi::kMinTimerPeriodNs - 1), Error::kBadArgument);
    REQUIRE_ERROR(t, work.timer->arm_at(1ull << 63), Error::kBadArgument);
    REQUIRE_ERROR(t, work.timer->arm_at(~0ull), Error::kBadArgument);
    for (const std::uint64_t flags : {2ull, 1ull << 63, ~0ull}) {
        REQUIRE_EQUAL(t, by_call({abi::Op::kArm, work.timer->slot(), {0, 0, flags}}), Error::kBadArgument);
    }
    REQUIRE_EQUAL(t, MUST(t, work.timer->read()).expiries, 0u);
    const auto process = t.env.process;
    for (const std::uint64_t bits : {0ull, 1ull << 63, ~0ull}) {
        REQUIRE_ERROR(t, process.create_timer(*work.bell, bits), Error::kBadArgument);
    }
    const auto reader = MUST(t, derive(*work.bell, abi::kRead));
    REQUIRE_ERROR(t, process.create_timer(*reader, 1), Error::kNoRight);
    REQUIRE_ERROR(t, process.create_timer(cap::Notification(process.slot()), 1), Error::kWrongType);
    REQUIRE_ERROR(t, process.create_timer(cap::Notification(), 1), Error::kBadSlot);
    const cap::Notification stale = MUST(t, process.create_notification());
    stale.drop();
    REQUIRE_ERROR(t, process.create_timer(stale, 1), Error::kStaleSlot);
    // By the ring as well.
    REQUIRE_EQUAL(t, by_ring(t.env, {abi::Op::kArm, work.timer->slot(), {0, 0, 0}}), Error::kOk);
    REQUIRE_EQUAL(t, MUST(t, work.bell->wait(t.env.ring, patience_ns)), 1u);
}

void limit(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    std::array<Owned<cap::Timer>, abi::kMaxTimers> timers;
    for (auto& timer : timers) {
        timer = Owned(MUST(t, t.env.process.create_timer(*bell, 1)));
    }
    for (int round = 0; round < 3; ++round) {
        REQUIRE_ERROR(t, t.env.process.create_timer(*bell, 1), Error::kNoSlot);
        timers[7] = {};
        timers[7] = Owned(MUST(t, t.env.process.create_timer(*bell, 1)));
    }
}

// More than a CPU takes in time: all get their turn, and what they missed is counted.
void overruns(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    std::array<Owned<cap::Timer>, abi::kMaxTimers> timers;
    std::array<cap::Timer::Counts, abi::kMaxTimers> sums{};
    for (auto& timer : timers) {
        timer = Owned(MUST(t, t.env.process.create_timer(*bell, 1)));
        REQUIRE_OK(t, timer->arm(0, abi::kMinTimerPeriodNs));
    }
    const auto all_have_missed_some = [&] {
        bool all = true;
        for (std::size_t i = 0; i < timers.size(); ++i) {
            const auto counts = timers[i]->read().value_or(cap::Timer::Counts{});
            sums[i].expiries += counts.expiries;
            sums[i].overruns += counts.overruns;
            all &= sums[i].overruns > 0 && sums[i].expiries - sums[i].overruns >= 3;
        }
        return all;
    };
    REQUIRE(t, eventually(t.env.clock, all_have_missed_some));
    // One that comes seldom comes all the same.
    const Owned other(MUST(t, t.env.process.create_notification()));
    timers[0] = {};
    timers[0] = Owned(MUST(t, t.env.process.create_timer(*other, 2)));
    for (int i = 0; i < 5; ++i) {
        REQUIRE_OK(t, timers[0]->arm(kMillisecond));
        REQUIRE_EQUAL(t, MUST(t, other->wait(t.env.ring, patience_ns)), 2u);
    }
}

// Disarmed by the last capability's end, and by no other's.
void last_capability(Case& t) {
    auto work = MUST(t, Clockwork::make(t.env));
    auto second = MUST(t, derive(*work.timer, abi::kRead));
    REQUIRE(t, !MUST(t, work.timer->arm(kMillisecond, kMillisecond)));
    work.timer = {};
    REQUIRE_EQUAL(t, MUST(t, work.bell->wait(t.env.ring, patience_ns)), 1u);
    REQUIRE(t, MUST(t, second->read()).expiries >= 1);
    second = {};
    (void)MUST(t, work.bell->poll());
    sleep_ns(5 * kMillisecond);
    REQUIRE_EQUAL(t, MUST(t, work.bell->poll()), 0u);
    // The notification lives as long as its timer, and no longer.
    auto kept = MUST(t, Clockwork::make(t.env));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(abi::Op::kWaitBits, kept.bell->slot(), 9)));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(0));
    kept.bell = {};
    REQUIRE_OK(t, kept.timer->arm(kMillisecond));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
    REQUIRE_EQUAL(t, t.env.ring.next()->result, 1);
    auto gone = MUST(t, Clockwork::make(t.env));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(abi::Op::kWaitBits, gone.bell->slot(), 9)));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(0));
    gone.bell = {};
    REQUIRE_OK(t, gone.timer->arm(abi::kForever));
    gone.timer = {};
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
    REQUIRE_EQUAL(t, error_of(t.env.ring.next()->result), Error::kGone);
}

struct Armed {
    const Clockwork& work;
    std::uint64_t in_ns;
    std::atomic<std::int64_t> was_armed{-1};
};

std::uint64_t arm_once(cap::Ring&, void* argument) {
    auto& armed = *static_cast<Armed*>(argument);
    const auto was = armed.work.timer->arm(armed.in_ns);
    armed.was_armed = was ? *was : 2;
    return 0;
}

// Armed on every CPU in turn, while the caller is on any: it expires there, and is disarmed from here.
void on_each_cpu(Case& t) {
    const auto work = MUST(t, Clockwork::make(t.env));
    for (std::uint64_t round = 0; round < 3 * t.cpus(); ++round) {
        const auto options = cap::ThreadOptions{.affinity = only(round % t.cpus())};
        Armed soon{work, kMillisecond};
        const auto first = MUST(t, Sibling::start(t.env, arm_once, &soon, options));
        REQUIRE_EQUAL(t, MUST(t, work.bell->wait(t.env.ring, patience_ns)), 1u);
        REQUIRE(t, first.wait());
        REQUIRE_EQUAL(t, soon.was_armed.load(), 0);
        Armed never{work, abi::kForever};
        const auto second = MUST(t, Sibling::start(t.env, arm_once, &never, options));
        REQUIRE(t, second.wait());
        REQUIRE_EQUAL(t, never.was_armed.load(), 0);
        REQUIRE(t, MUST(t, work.timer->disarm()));
    }
    REQUIRE_EQUAL(t, MUST(t, work.timer->read()).expiries, 3 * t.cpus());
    REQUIRE_EQUAL(t, MUST(t, work.bell->poll()), 0u);
}

constexpr Entry kCases[] = {
    {"once", once},
    {"at_a_time", at_a_time},
    {"again_and_again", again_and_again},
    {"armed_anew", armed_anew},
    {"arguments", arguments},
    {"limit", limit},
    {"overruns", overruns},
    {"last_capability", last_capability},
    {"on_each_cpu", on_each_cpu},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "timer", kCases); }
