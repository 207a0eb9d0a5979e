// SPDX-License-Identifier: MIT
//
// ms=N: so long everything happens at once that can happen to threads, under agents that place at random
// (support/chaos.hpp). Then nothing was lost: each token is where it must be, with the value that it must have, each thread
// is joined, each completion and each wake counted, and frames, lines and slots are there again.
#include "support/chaos.hpp"
#include "support/agents.hpp"
#include "support/free_pages.hpp"
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/wake_ledger.hpp"

namespace {

using namespace test;

// What there is of everything that is handed out.
struct Left {
    std::uint64_t pages = 0, lines = 0, slot = 0;
    friend bool operator==(const Left&, const Left&) = default;
};

Left count_left(Case& t, const DomainServer& server) {
    Left left{.pages = free_pages(t.env)};
    for (std::uint32_t i = 0; i < abi::kMaxThreads; ++i) {
        left.lines += server.line(i).word.state() == abi::ThreadState::kFree;
    }
    if (const auto next = t.env.process.create_notification()) {
        left.slot = next->slot().index;
        next->drop();
    }
    return left;
}

// The kernel keeps what its heap and the page tables of this process once took: that much they take here, so that
// afterwards not a frame may be missing.
void take_in_advance(Case& t) {
    constexpr std::uint64_t kTableSpan = 2 << 20;
    const std::uint64_t here = MUST(t, t.env.space.reserve(1)) & ~(kTableSpan - 1);
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    for (std::uint64_t i = 1; i <= 256; ++i) {
        REQUIRE_OK(t, t.env.process.map(*memory, here + i * kTableSpan, 0, 1, abi::kRead));
        REQUIRE_OK(t, t.env.process.unmap(here + i * kTableSpan, 1));
    }
    std::array<cap::Capability, 300> held;
    for (std::size_t i = 0; i < held.size(); i += 3) {
        held[i] = MUST(t, t.env.process.create_process("early"));
        held[i + 1] = MUST(t, t.env.process.create_notification());
        held[i + 2] = MUST(t, t.env.process.create_memory(1));
    }
    for (const cap::Capability& each : held) {
        each.drop();
    }
}

std::uint64_t duration_ns(const Case& t) {
    const auto text = cox::core::CommandLine(t.env.arguments()).find("ms").value_or("3000");
    return cox::core::parse_u64(text).value_or(0) * kMillisecond;
}

void nothing_is_lost(Case& t) {
    Agents agents(t, Manner::kHints);
    REQUIRE(t, !t.failed());
    static std::optional<WakeLedgerCheck> ledger;
    ledger.emplace(agents.server().domain(), t.env.clock);
    const auto looker = MUST(t, Sibling::start(t.env, WakeLedgerCheck::look_always, &*ledger));
    static std::optional<Chaos> chaos;  // too large for a stack
    chaos.emplace(t, agents.server(), std::min<std::size_t>(t.cpus(), Chaos::kMaxRings));
    take_in_advance(t);  // beside what stays
    const abi::CpuStats first = MUST(t, sum_of_stats(t));
    if (!t.failed()) {
        chaos->run(std::min(duration_ns(t) / 4, 10'000 * kMillisecond));  // whatever else is taken once
    }
    Left before;
    const auto settled = [&] {
        const Left now = count_left(t, agents.server());
        return std::exchange(before, now) == now;
    };
    if (!t.failed() && !eventually(t.env.clock, settled)) {
        t.fail("what is left does not come to rest");
    }
    if (!t.failed()) {
        chaos->run(duration_ns(t));
    }
    Left after;
    if (!t.failed() && !eventually(t.env.clock, [&] {
            after = count_left(t, agents.server());
            return after == before;
        })) {
        t.fail("left before: pages {} lines {} slot {}; after: pages {} lines {} slot {}", before.pages,
               before.lines, before.slot, after.pages, after.lines, after.slot);
    }
    const bool exercised = chaos->exercised();
    chaos.reset();
    (void)ledger->look_at_rest();
    ledger->report(t);
    REQUIRE(t, !t.failed());
    REQUIRE(t, exercised);
    REQUIRE(t, ledger->looks() > 1);
    const abi::CpuStats last = MUST(t, sum_of_stats(t));
    t.env.log.print("chaos: commits={} refused={} dropped={}", agents.accepted(), agents.refused(),
                    last.dropped_completions - first.dropped_completions);
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0u);
    REQUIRE_EQUAL(t, last.watchdog_hits, 0u);
    REQUIRE_EQUAL(t, last.fallback_dispatches, first.fallback_dispatches);
    REQUIRE(t, last.dropped_completions > first.dropped_completions);
}

// The check above sees a wake that was left out: the ring stands still.
void lost_wake_is_seen(Case& t) {
    Agents agents(t, Manner::kHints);
    REQUIRE(t, !t.failed());
    static std::optional<Chaos> chaos;
    chaos.emplace(t, agents.server(), 2, 50);
    if (!t.failed()) {
        chaos->start_rings();
    }
    const std::uint64_t patience_ns = 2'000 * kMillisecond;
    std::size_t still = Chaos::kMaxRings;
    const bool seen = !t.failed() && eventually(t.env.clock, [&] {
        return (still = chaos->standing_still(patience_ns)) != Chaos::kMaxRings;
    });
    chaos.reset();
    REQUIRE(t, seen);
    REQUIRE_EQUAL(t, still, 0u);
}

// It sees a thread that was not joined, too: by its line and its frames.
void forgotten_thread_is_seen(Case& t) {
    Agents agents(t, Manner::kHints);
    Crew crew(t);
    Worker& worker = crew.add();
    REQUIRE(t, !t.failed());
    const auto copy = MUST(t, derive(worker.thread, abi::kRead));
    const Left before = count_left(t, agents.server());
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE_OK(t, worker.thread.kill(0));
    REQUIRE_EQUAL(t, MUST(t, worker.thread.join(t.env.ring, patience_ns)), 0u);
    crew.renew(worker);
    REQUIRE(t, !t.failed());
    const Left after = count_left(t, agents.server());
    REQUIRE_EQUAL(t, after.lines, before.lines - 1);
}

constexpr Entry kCases[] = {
    {"lost_wake_is_seen", lost_wake_is_seen},
    {"forgotten_thread_is_seen", forgotten_thread_is_seen},
    {"nothing_is_lost", nothing_is_lost},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "chaos", kCases); }
