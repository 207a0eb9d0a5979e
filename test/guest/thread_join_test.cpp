// SPDX-License-Identifier: MIT
//
// Joining threads: docs/abi.md, "Thread", and cap/joining_thread.hpp.
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/faults.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <algorithm>
#include <array>
#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::ThreadState;
using cap::JoiningThread;

void sleep_for_ever(cap::Ring& ring) { (void)ring.submit_and_wait(1); }

bool waits(Case& t, const JoiningThread& thread) {
    return eventually(t.env.clock, [&] {
        const auto status = thread->status();
        return status && status->word.state() == ThreadState::kWaiting;
    });
}

void with_result(Case& t) {
    std::atomic<std::uint64_t> seen{0};
    auto number = MUST(t, JoiningThread::start(t.env, [] { return 41; }));
    auto nothing = MUST(t, JoiningThread::start(t.env, [&seen](cap::Ring& ring) {
                            sleep_ns(kMillisecond);
                            seen = &ring == &cap::this_ring() ? 1 : 2;
                        }));
    REQUIRE_EQUAL(t, MUST(t, number.join(t.env.ring)), 41u);
    REQUIRE(t, !number.joinable());
    REQUIRE_EQUAL(t, MUST(t, nothing.join(t.env.ring)), 0u);
    REQUIRE_EQUAL(t, seen.load(), 1u);
    // The greatest code there is.
    auto greatest = MUST(t, JoiningThread::start(t.env, [] {
                             cap::thread_exit(~0ull);
                             return 0;
                         }));
    REQUIRE_EQUAL(t, MUST(t, greatest.join(t.env.ring)), ~0ull >> 1);
}

// However it ended.
void one_that_has_gone(Case& t) {
    const auto exited =
        MUST(t, Sibling::start(t.env, [](cap::Ring&, void*) -> std::uint64_t { return 7; }, nullptr));
    REQUIRE(t, exited.wait());
    REQUIRE_EQUAL(t, MUST(t, exited->join(t.env.ring, patience_ns)), 7u);
    REQUIRE_EQUAL(t, MUST(t, exited->join(t.env.ring, patience_ns)), 7u);  // whoever asks, and asks again
    auto never_started = MUST(t, JoiningThread::create(t.env, [] {}));
    REQUIRE_OK(t, never_started->kill(8));
    REQUIRE_EQUAL(t, MUST(t, never_started.join(t.env.ring)), 8u);
    auto waiting = MUST(t, JoiningThread::start(t.env, sleep_for_ever));
    REQUIRE(t, waits(t, waiting));
    REQUIRE_OK(t, waiting->kill(9));
    REQUIRE_EQUAL(t, MUST(t, waiting.join(t.env.ring)), 9u);
    auto faulting = MUST(t, JoiningThread::start(t.env, [] { asm volatile("ud2"); }));
    REQUIRE_EQUAL(t, MUST(t, faulting.join(t.env.ring)), 0xfa17u);
}

void refused(Case& t) {
    REQUIRE_ERROR(t, t.env.thread.join(t.env.ring, patience_ns), Error::kWrongState);  // itself
    const auto other = MUST(t, JoiningThread::start(t.env, sleep_for_ever));
    REQUIRE_EQUAL(t, by_call({abi::Op::kJoin, other->slot()}), Error::kBadOperation);
    const auto manager = MUST(t, derive(*other.operator->(), abi::kManage));
    REQUIRE_ERROR(t, manager->join(t.env.ring, patience_ns), Error::kNoRight);
    REQUIRE_OK(t, other->kill(0));
}

void two_joiners(Case& t) {
    auto target = MUST(t, JoiningThread::start(t.env, sleep_for_ever));
    const cap::Thread name = *target.operator->();
    auto joiner =
        MUST(t, JoiningThread::start(t.env, [name](cap::Ring& ring) { return name.join(ring).value_or(0); }));
    REQUIRE(t, waits(t, joiner));
    REQUIRE_ERROR(t, target.join(t.env.ring), Error::kBusy);
    REQUIRE(t, target.joinable());
    REQUIRE_OK(t, target->kill(5));
    REQUIRE_EQUAL(t, MUST(t, joiner.join(t.env.ring)), 5u);
    REQUIRE_EQUAL(t, MUST(t, target.join(t.env.ring)), 5u);
}

void joiner_dies(Case& t) {
    auto target = MUST(t, JoiningThread::start(t.env, sleep_for_ever));
    const cap::Thread name = *target.operator->();
    for (std::uint64_t i = 0; i < 10; ++i) {
        auto joiner = MUST(
            t, JoiningThread::start(t.env, [name](cap::Ring& ring) { return name.join(ring).value_or(0); }));
        REQUIRE(t, waits(t, joiner));
        REQUIRE_OK(t, joiner->kill(i));
        REQUIRE_EQUAL(t, MUST(t, joiner.join(t.env.ring)), i);
    }
    REQUIRE_OK(t, target->kill(6));
    REQUIRE_EQUAL(t, MUST(t, target.join(t.env.ring)), 6u);
}

void timed_out(Case& t) {
    auto target = MUST(t, JoiningThread::start(t.env, sleep_for_ever));
    REQUIRE_ERROR(t, target->join(t.env.ring, kMillisecond), Error::kTimedOut);
    REQUIRE_ERROR(t, target->join(t.env.ring, kMillisecond),
                  Error::kTimedOut);  // the first wait was cancelled
    REQUIRE_OK(t, target->kill(4));
    REQUIRE_EQUAL(t, MUST(t, target.join(t.env.ring)), 4u);
}

// A handle joins at its end, also for one that was never started, and when another takes its place.
void at_the_end_of_the_handle(Case& t) {
    std::array<std::atomic<bool>, 3> done{};
    const auto finish = [&](std::size_t which) {
        return [&done, which] {
            sleep_ns(kMillisecond);
            done[which] = true;
        };
    };
    {
        const auto never_started = MUST(t, JoiningThread::create(t.env, finish(0)));
        auto first = MUST(t, JoiningThread::start(t.env, finish(1)));
        first = MUST(t, JoiningThread::start(t.env, finish(2)));
        REQUIRE(t, done[1]);
        JoiningThread moved = std::move(first);
        REQUIRE(t, moved.joinable() && !first.joinable());
    }
    REQUIRE(t, done[2] && !done[0]);
}

// Many at once have stacks of their own, and the same addresses serve those that follow.
void stacks(Case& t) {
    constexpr std::size_t kMany = 100;
    std::array<std::uint64_t, kMany> lowest{}, highest{};
    for (int round = 0; round < 5; ++round) {
        std::array<JoiningThread, kMany> threads;
        for (std::size_t i = 0; i < kMany; ++i) {
            threads[i] =
                MUST(t, JoiningThread::start(t.env,
                                             [i, &lowest, &highest, round] {
                                                 // Most of the stack is used.
                                                 std::array<volatile std::uint64_t, 6000> words;
                                                 for (auto& word : words) {
                                                     word = i;
                                                 }
                                                 sleep_ns(kMillisecond);
                                                 const auto at = reinterpret_cast<std::uint64_t>(&words);
                                                 lowest[i] = round == 0 ? at : std::min(lowest[i], at);
                                                 highest[i] = std::max(highest[i], at);
                                                 return std::ranges::all_of(
                                                     words, [i](auto& word) { return word == i; });
                                             },
                                             {.affinity = only(i % t.cpus())}));
        }
        for (JoiningThread& thread : threads) {
            REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 1u);
        }
    }
    const std::uint64_t span = *std::ranges::max_element(highest) - *std::ranges::min_element(lowest);
    REQUIRE(t, span / (25 * abi::kPageSize) <= kMany);
    auto large =
        MUST(t, JoiningThread::start(t.env,
                                     [] {
                                         std::array<volatile std::uint8_t, 60 * abi::kPageSize> bytes;
                                         bytes[0] = 3;
                                         return bytes[0];
                                     },
                                     {.stack_pages = 64}));
    REQUIRE_EQUAL(t, MUST(t, large.join(t.env.ring)), 3u);
}

constexpr Entry kCases[] = {
    {"with_result", with_result},
    {"one_that_has_gone", one_that_has_gone},
    {"refused", refused},
    {"two_joiners", two_joiners},
    {"joiner_dies", joiner_dies},
    {"timed_out", timed_out},
    {"at_the_end_of_the_handle", at_the_end_of_the_handle},
    {"stacks", stacks},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "thread_join", kCases); }
