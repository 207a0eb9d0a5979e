// SPDX-License-Identifier: MIT
//
// threads=N: so many threads are made and joined, 64 at a time on all CPUs, and afterwards everything that they took
// is there again: frames, lines of the status table, slots, addresses.
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/free_pages.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <array>

namespace {

using namespace test;
using cap::JoiningThread;

constexpr std::uint64_t kAtOnce = 64;
using Crowd = std::array<JoiningThread, kAtOnce>;

// Each ends with its number: at once, after a moment, or after a call that waits.
cap::Result<JoiningThread> start_one(const Case& t, std::uint64_t number, Random& random) {
    const std::uint64_t cpu = number % t.cpus();
    return JoiningThread::start(t.env,
                                [number, manner = random.below(8)](cap::Ring& ring) {
                                    if (manner == 0) {
                                        (void)ring.submit_and_wait(1, kMicrosecond);
                                    } else if (manner == 1) {
                                        (void)ring.call(cap::submission(abi::Op::kNop, {}));
                                    }
                                    return number;
                                },
                                {.affinity = only(cpu), .first_cpu = cpu});
}

// In what order they are joined is as random as how they end.
void churn_through(Case& t, std::uint64_t count, Random& random) {
    Crowd crowd;
    std::array<std::uint64_t, kAtOnce> numbers{};
    for (std::uint64_t number = 1; number <= count; ++number) {
        const std::uint64_t at = random.below(kAtOnce);
        if (crowd[at].joinable()) {
            REQUIRE_EQUAL(t, MUST(t, crowd[at].join(t.env.ring)), numbers[at]);
        }
        crowd[at] = MUST(t, start_one(t, number, random));
        numbers[at] = number;
    }
}

// The greatest line and slot that the next crowd is given.
void look(Case& t, std::uint64_t& line, std::uint64_t& slot, Random& random) {
    Crowd crowd;
    line = slot = 0;
    for (std::uint64_t i = 0; i < kAtOnce; ++i) {
        crowd[i] = MUST(t, start_one(t, i, random));
        line = std::max<std::uint64_t>(line, MUST(t, crowd[i]->ref()).index);
        slot = std::max<std::uint64_t>(slot, crowd[i]->slot().index);
    }
}

// The kernel's heap keeps what it once took. A thread that was joined may have its ring's object for a moment longer, on a CPU
// that the host has stopped there, so that more than kAtOnce are needed at some time or other.
void take_in_advance(Case& t) {
    std::array<cap::Memory, 4 * kAtOnce> held;
    for (cap::Memory& each : held) {
        each = MUST(t, t.env.process.create_memory(1));
    }
    for (const cap::Memory& each : held) {
        each.drop();
    }
}

void everything_comes_back(Case& t) {
    const auto text = cox::core::CommandLine(t.env.arguments()).find("threads").value_or("2000");
    const std::uint64_t count = cox::core::parse_u64(text).value_or(0);
    Random random(t.seed);
    std::uint64_t line = 0, slot = 0, line_after = 0, slot_after = 0;
    // What stays mapped for reuse, and tables that grow once.
    look(t, line, slot, random);
    churn_through(t, 10 * kAtOnce, random);
    take_in_advance(t);
    look(t, line, slot, random);
    REQUIRE(t, !t.failed());
    const std::uint64_t pages = free_pages(t.env);
    {
        const Owned held(MUST(t, t.env.process.create_memory(8)));  // free_pages() may miss one
        REQUIRE(t, free_pages(t.env) < pages);                      // it would be seen
    }
    const std::uint64_t begin = t.env.clock.now_ns();
    churn_through(t, count, random);
    const std::uint64_t took = t.env.clock.now_ns() - begin;
    look(t, line_after, slot_after, random);
    REQUIRE(t, !t.failed());
    t.env.log.print("churn: threads={} ns_each={} line={} slot={}", count, took / count, line_after,
                    slot_after);
    // A thread's line comes back when no CPU holds a record of it any more: a moment after it was joined.
    REQUIRE(t, line_after <= line + 8);
    REQUIRE(t, slot_after <= slot);
    std::uint64_t after = 0;
    REQUIRE(t, eventually(
                   t.env.clock, [&] { return (after = free_pages(t.env)) >= pages; }, 1000 * kMillisecond) ||
                   (t.env.log.print("test: free pages before {} after {}", pages, after), false));
    REQUIRE_EQUAL(t, after, pages);
}

constexpr Entry kCases[] = {{"everything_comes_back", everything_comes_back}};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "thread_churn", kCases); }
