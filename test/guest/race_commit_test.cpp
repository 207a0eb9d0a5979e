// SPDX-License-Identifier: MIT
//
// Decisions about one thread that meet: two commits, a commit and a change of affinity, a recall and a thread
// that blocks. One comes first, the other is told what it has met, and the thread is in one place.
#include "support/blocker.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// The helper, on the last CPU, places the thread on `cpu` when it is met.
struct Placing {
    DomainServer& server;
    const Worker& worker;
    std::uint32_t cpu;
    Race race{};
    std::atomic<std::uint64_t> sequence{0};  // to expect
    std::atomic<std::int64_t> result{0};
    std::atomic<std::uint64_t> done{0};  // the round whose result that is
};

std::uint64_t place_when_met(cap::Ring&, void* argument) {
    Placing& placing = *static_cast<Placing*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        placing.race.meet(round);
        const auto sequence = static_cast<std::uint32_t>(placing.sequence.load());
        const auto placed = placing.server.commit(placing.worker, sequence, placing.cpu);
        placing.result = placed ? 0 : static_cast<std::int64_t>(placed.error());
        placing.done = round;
    }
}

cap::Result<Sibling> start_helper(Case& t, Placing& placing) {
    return Sibling::start(t.env, place_when_met, &placing,
                          {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)});
}

// -> the helper's result in that round.
Error result_of(Case& t, const Placing& placing, std::uint64_t round) {
    if (!eventually(t.env.clock, [&] { return placing.done == round; })) {
        t.fail("the helper does not answer in round {}", round);
    }
    return static_cast<Error>(placing.result.load());
}

// Two agents with the same knowledge: one wins.
void commit_and_commit(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.order = Order::kWait});
    Placing placing{server, worker, last_cpu(t)};
    const auto helper = start_helper(t, placing);
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, worker.thread.start());
    for (std::uint64_t round = 1;; ++round) {
        const std::uint32_t sequence = server.line(worker).word.sequence();
        placing.sequence = sequence;
        REQUIRE(t, placing.race.meet_aimer(round, aim));
        const auto mine = server.commit(worker, sequence, 0);
        const Error his = result_of(t, placing, round);
        REQUIRE(t, mine.has_value() != (his == Error::kOk));
        const Error loser = mine ? his : mine.error();
        REQUIRE(t, loser == Error::kRunningElsewhere || loser == Error::kStaleSequence ||
                       loser == Error::kNotRunnable);
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        REQUIRE_EQUAL(t, server.line(worker).word.cpu(), mine ? 0 : last_cpu(t));
        REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence + 2);
        worker.ring_bell();
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
        (void)placing.race.settle(mine.has_value());
        if (!placing.race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: one={} other={}", placing.race.aimer_wins(), placing.race.actor_wins());
    REQUIRE(t, placing.race.exercised());
}

// The thread is placed on CPU 1 just as it may not run there any more: it is refused, or comes back, even if
// that CPU has another thread that it never gets rid of.
void commit_and_affinity(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.first_cpu = 1});
    const Worker& occupier = crew.add({.affinity = 2, .first_cpu = 1});
    if (t.cpus() > 2) {  // else the helper is there
        REQUIRE_OK(t, server.start(occupier, 1));
        REQUIRE(t, makes_progress(t, occupier));
    }
    Placing placing{server, worker, 1};
    const auto helper = start_helper(t, placing);
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, worker.thread.start());
    for (std::uint64_t round = 1;; ++round) {
        server.forget();
        placing.sequence = server.line(worker).word.sequence();
        REQUIRE(t, placing.race.meet_aimer(round, aim));
        REQUIRE_OK(t, worker.thread.set_affinity(1));
        const Error his = result_of(t, placing, round);
        REQUIRE(t, his == Error::kOk || his == Error::kAffinity);
        REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
        if (his == Error::kOk) {
            REQUIRE_EQUAL(t, server.line(worker).word.cause(), Cause::kAffinityChanged);
        }
        if (random.one_in(8)) {
            REQUIRE_OK(t, server.place(worker, 0));
            REQUIRE(t, makes_progress(t, worker));
            REQUIRE_OK(t, server.place(worker, 0, abi::kCommitRecall));
            REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
        }
        REQUIRE_OK(t, worker.thread.set_affinity(kAllCpus));
        (void)placing.race.settle(his == Error::kAffinity);
        if (!placing.race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: placed={} refused={}", placing.race.actor_wins(), placing.race.aimer_wins());
    REQUIRE(t, placing.race.exercised());
}

void recall_and_block(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Race* const race = crew.share<Race>();
    REQUIRE(t, race != nullptr);
    const std::uint32_t cpu = last_cpu(t);
    const Worker& worker = crew.add({.main = wait_then_block_when_met, .argument = race});
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, server.start(worker, cpu));
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        worker.ring_bell();
        REQUIRE_OK(t, server.place(worker, cpu));
        const std::uint32_t sequence = worker.word().sequence();
        REQUIRE(t, race->meet_aimer(round, aim));
        const auto recalled = server.commit(worker, 0, 0, abi::kCommitRecall);
        REQUIRE(t, recalled || recalled.error() == Error::kNotRunnable);
        // Asked in time, it may still block before its CPU looks: blocking takes it off the CPU as well.
        REQUIRE(t, eventually(t.env.clock, [&] {
                    return worker.state() == ThreadState::kUnplaced ||
                           worker.state() == ThreadState::kWaiting;
                }));
        const bool came_back = worker.state() == ThreadState::kUnplaced;
        REQUIRE_EQUAL(t, worker.word().sequence(), sequence + 1);
        if (came_back) {
            REQUIRE_OK(t, recalled);
            REQUIRE_EQUAL(t, server.line(worker).word.cause(), Cause::kRecalled);
            REQUIRE_OK(t, server.place(worker, cpu));
            REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        }
        worker.ring_bell();
        REQUIRE_OK(t, server.place(worker, cpu));
        (void)race->settle(came_back);
        if (!race->steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: blocked={} recalled={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

constexpr Entry kCases[] = {
    {"commit_and_commit", commit_and_commit},
    {"commit_and_affinity", commit_and_affinity},
    {"recall_and_block", recall_and_block},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_commit", kCases); }
