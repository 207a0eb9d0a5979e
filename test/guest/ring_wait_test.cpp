// SPDX-License-Identifier: MIT
//
// Waiting on a ring: time-outs, wakes, and races between the two: docs/abi.md, "Rings".
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;

constexpr std::uint64_t kVeryLong = std::uint64_t{1} << 62;  // ns

void time_out_of_nothing(Case& t) {
    for (int i = 0; i < 100; ++i) {
        REQUIRE_EQUAL(t, error_of(cap::cap_enter(1, 0).ready), Error::kTimedOut);
    }
    REQUIRE_EQUAL(t, cap::cap_enter(0, 0).ready, 0);
    REQUIRE_EQUAL(t, cap::cap_enter(0, abi::kForever).ready, 0);
}

// Not too early; how late is the host's affair.
void time_out_after_a_while(Case& t) {
    for (const std::uint64_t ns : {1ull, 1000ull, 50'000ull, 1'000'000ull, 12'345'678ull}) {
        for (int i = 0; i < 3; ++i) {
            const std::uint64_t begin = cap::read_tsc();
            REQUIRE_EQUAL(t, error_of(cap::cap_enter(1, ns).ready), Error::kTimedOut);
            REQUIRE(t, cap::read_tsc() - begin + 2 >= t.env.clock.ticks(ns));
        }
    }
}

void completion_before_time_out(Case& t) {
    for (const std::uint64_t timeout :
         {std::uint64_t{0}, patience_ns, kVeryLong, abi::kForever - 1, abi::kForever}) {
        REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kNop, t.env.process.slot(), 4)));
        REQUIRE_EQUAL(t, cap::cap_enter(1, timeout).ready, 1);
        REQUIRE_EQUAL(t, t.env.ring.next()->user_data, 4u);
    }
}

struct Late {
    const cap::Env& env;
    cap::Notification bell;
};

// Times that reach beyond what the clock can count do not come early.
void very_long_time_out(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Late late{t.env, *bell};
    const auto ring_late = [](cap::Ring& ring, void* argument) -> std::uint64_t {
        const auto& l = *static_cast<const Late*>(argument);
        (void)ring.submit_and_wait(1, 2 * kMillisecond);
        (void)l.bell.signal(1);
        return 0;
    };
    for (const std::uint64_t timeout : {kVeryLong, 2 * kVeryLong, 3 * kVeryLong, abi::kForever - 1}) {
        const auto thread = MUST(t, Sibling::start(t.env, ring_late, &late));
        REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, timeout)), 1u);
    }
}

void too_many_wanted(Case& t) {
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kNop, t.env.process.slot(), 4)));
    for (const std::uint64_t wanted :
         {std::uint64_t{abi::kCqEntries} + 1, std::uint64_t{1} << 32, abi::kForever}) {
        const auto entered = cap::cap_enter(wanted, 0);
        REQUIRE_EQUAL(t, error_of(entered.ready), Error::kBadArgument);
        REQUIRE_EQUAL(t, entered.submitted, 0u);  // and nothing was done
    }
    REQUIRE_EQUAL(t, cap::cap_enter(1, abi::kForever).submitted, 1u);
    REQUIRE_EQUAL(t, t.env.ring.next()->user_data, 4u);
    REQUIRE_EQUAL(t, error_of(cap::cap_enter(abi::kCqEntries, 0).ready), Error::kTimedOut);
}

struct Ticker {
    const cap::Env& env;
    cap::Notification bell;
    std::uint64_t count;
    std::atomic<bool> ended{false};
};

// Signals one bit after another, at odd moments, each when the one before has been taken.
std::uint64_t tick(cap::Ring&, void* argument) {
    auto& ticker = *static_cast<Ticker*>(argument);
    for (std::uint64_t i = 0; i < ticker.count; ++i) {
        (void)ticker.bell.signal(std::uint64_t{1} << i % 60);
        delay_ticks(ticker.env.clock.ticks(i * 7919 % 97 * kMicrosecond));
    }
    ticker.ended = true;
    return 0;
}

// Time-outs expire just when completions come; no wake is lost and no wait goes on for ever.
void time_out_races_completion(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Ticker ticker{t.env, *bell, 300};
    const auto thread = MUST(t, Sibling::start(t.env, tick, &ticker, {.affinity = only(t.cpus() - 1)}));
    bool in_flight = false;
    std::uint64_t timed_out = 0;
    std::uint64_t taken = 0;
    for (std::uint64_t i = 0; !ticker.ended || i < 300; ++i) {
        if (!in_flight) {
            REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), i)));
            in_flight = true;
        }
        const auto entered = t.env.ring.submit_and_wait(1, i % 53 * kMicrosecond);
        if (!entered) {
            REQUIRE_EQUAL(t, entered.error(), Error::kTimedOut);
            ++timed_out;
        }
        if (const auto completion = t.env.ring.next()) {
            REQUIRE(t, completion->result > 0);
            in_flight = false;
            ++taken;
        }
    }
    REQUIRE_OK(t, bell->signal(1ull << 61));
    if (in_flight) {
        REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
        REQUIRE(t, t.env.ring.next()->result != 0);
    }
    t.env.log.print("test: {} timed out, {} completed", timed_out, taken);
}

struct PingPong {
    cap::Notification ping, pong;
    std::uint64_t rounds;
};

std::uint64_t answer(cap::Ring& ring, void* argument) {
    auto& game = *static_cast<PingPong*>(argument);
    for (std::uint64_t i = 0; i < game.rounds; ++i) {
        if (!game.ping.wait(ring) || !game.pong.signal(1)) {
            return 1;
        }
    }
    return 0;
}

// Each wake finds its thread running, blocking or waiting; none is lost.
void ping_pong(Case& t) {
    const Owned ping(MUST(t, t.env.process.create_notification()));
    const Owned pong(MUST(t, t.env.process.create_notification()));
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        PingPong game{*ping, *pong, 500};
        const auto thread = MUST(t, Sibling::start(t.env, answer, &game, {.affinity = only(cpu)}));
        for (std::uint64_t i = 0; i < game.rounds; ++i) {
            REQUIRE_OK(t, ping->signal(1));
            REQUIRE_EQUAL(t, MUST(t, pong->wait(t.env.ring, patience_ns)), 1u);
        }
        REQUIRE(t, thread.wait());
    }
}

constexpr Entry kCases[] = {
    {"time_out_of_nothing", time_out_of_nothing},
    {"time_out_after_a_while", time_out_after_a_while},
    {"completion_before_time_out", completion_before_time_out},
    {"very_long_time_out", very_long_time_out},
    {"too_many_wanted", too_many_wanted},
    {"time_out_races_completion", time_out_races_completion},
    {"ping_pong", ping_pong},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "ring_wait", kCases); }
