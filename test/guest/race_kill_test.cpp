// SPDX-License-Identifier: MIT
//
// Killing a thread at any moment of its life: it goes, once, its process's end is not held up, and whatever
// else was about to happen to it ends in order.
#include "support/agents.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// values[]
constexpr int kRound = 0;
constexpr int kVictimsBell = 1;  // slot

std::uint64_t block_when_met(Station& station, cap::Ring& ring) {
    static_cast<Race*>(station.argument)->meet(station.values[kRound].load());
    (void)cap::Notification(station.bell).wait(ring);
    return 0;
}

// Killed while it is about to block: the sequence number tells whether it has.
void kill_and_block(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Race* const race = crew.share<Race>();
    REQUIRE(t, race != nullptr);
    const WorkerOptions options{.main = block_when_met, .argument = race, .first_cpu = last_cpu(t)};
    Worker& worker = crew.add(options);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        worker.station->values[kRound] = round;
        REQUIRE_OK(t, server.start(worker, last_cpu(t)));
        const std::uint32_t sequence = worker.word().sequence();
        REQUIRE(t, race->meet_aimer(round, aim));
        REQUIRE_OK(t, worker.thread.kill(9));
        REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
        REQUIRE_EQUAL(t, worker.thread.status()->word.cause(), Cause::kKilled);
        const std::uint32_t steps = worker.word().sequence() - sequence;
        REQUIRE(t, steps == 1 || steps == 2);
        (void)race->settle(steps == 1);
        if (!race->steer(round, aim)) {
            break;
        }
        crew.renew(worker, options);
        REQUIRE(t, !t.failed());
    }
    t.env.log.print("race: blocked={} killed_before={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

std::uint64_t ring_when_met(Station& station, cap::Ring& ring) {
    Race& race = *static_cast<Race*>(station.argument);
    for (std::uint64_t round = 1; !race.over(); ++round) {
        (void)cap::Notification(station.bell).wait(ring);
        race.meet(round);
        (void)cap::Notification(abi::CapSlot::from_raw(station.values[kVictimsBell].load())).signal(1);
    }
    return 0;
}

// Killed while it waits, just as it is woken.
void kill_and_wake(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Race* const race = crew.share<Race>();
    REQUIRE(t, race != nullptr);
    const WorkerOptions options{.order = Order::kWait};
    Worker& victim = crew.add(options);
    const Worker& ringer = crew.add({.main = ring_when_met, .argument = race});
    ringer.station->values[kVictimsBell] = victim.station->bell.raw();
    REQUIRE_OK(t, ringer.thread.start());
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE_OK(t, server.start(victim, 0));
        REQUIRE(t, comes_to(t, victim, ThreadState::kWaiting));
        const std::uint32_t sequence = victim.word().sequence();
        ringer.ring_bell();
        REQUIRE(t, eventually(t.env.clock, [&] { return ringer.state() != ThreadState::kWaiting; }));
        REQUIRE_OK(t, server.place(ringer, last_cpu(t)));
        REQUIRE(t, race->meet_aimer(round, aim));
        REQUIRE_OK(t, victim.thread.kill(9));
        REQUIRE_EQUAL(t, victim.state(), ThreadState::kGone);  // it was neither running nor queued
        const std::uint32_t steps = victim.word().sequence() - sequence;
        REQUIRE(t, steps == 1 || steps == 2);
        (void)race->settle(steps == 1);
        if (!race->steer(round, aim)) {
            break;
        }
        REQUIRE(t, comes_to(t, ringer, ThreadState::kWaiting));
        (void)victim.bell.poll();  // what nobody has taken
        crew.renew(victim, options);
        REQUIRE(t, !t.failed());
    }
    t.env.log.print("race: woken={} killed_before={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

// The helper on the last CPU places the thread just as this one kills it.
struct Placing {
    DomainServer& server;
    const Worker& victim;
    std::uint32_t cpu;
    Race race{};
    std::atomic<std::int64_t> result{0};
    std::atomic<std::uint64_t> done{0};  // the round whose result that is
};

std::uint64_t place_when_met(cap::Ring&, void* argument) {
    Placing& placing = *static_cast<Placing*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        placing.race.meet(round);
        const auto placed = placing.server.place(placing.victim, placing.cpu);
        placing.result = placed ? 0 : static_cast<std::int64_t>(placed.error());
        placing.done = round;
    }
}

void kill_and_commit_to(Case& t, std::uint32_t cpu, bool occupied) {
    DomainServer server(t);
    Crew crew(t);
    Worker& victim = crew.add();
    const Worker& occupier = crew.add();
    if (occupied) {
        REQUIRE_OK(t, server.start(occupier, cpu));
        REQUIRE(t, makes_progress(t, occupier));
    }
    Placing placing{server, victim, cpu};
    Race& race = placing.race;
    const auto helper = Sibling::start(t.env, place_when_met, &placing,
                                       {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)});
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE_OK(t, victim.thread.start());
        REQUIRE(t, race.meet_aimer(round, aim));
        REQUIRE_OK(t, victim.thread.kill(9));
        REQUIRE(t, comes_to(t, victim, ThreadState::kGone));
        REQUIRE(t, eventually(t.env.clock, [&] { return placing.done == round; }));
        const auto error = static_cast<Error>(placing.result.load());
        REQUIRE(t, error == Error::kOk || error == Error::kGone || error == Error::kStaleSequence);
        (void)race.settle(error != Error::kOk);
        if (!race.steer(round, aim)) {
            break;
        }
        crew.renew(victim);
        REQUIRE(t, !t.failed());
    }
    t.env.log.print("race: placed={} killed_before={}", race.actor_wins(), race.aimer_wins());
    REQUIRE(t, race.exercised());
}

void kill_and_commit(Case& t) { kill_and_commit_to(t, 0, false); }

// The CPU that it is placed on is kept by another thread, so nobody would come upon the dead one there by
// chance.
void kill_and_commit_to_a_busy_cpu(Case& t) {
    if (t.cpus() > 2) {
        kill_and_commit_to(t, 1, true);
    }
}

// In any state, at any moment, under agents that do anything.
void kill_anything(Case& t) {
    Agents agents(t, Manner::kChaos);
    Crew crew(t);
    Random random(t.seed);
    constexpr int kVictims = 6;
    const auto any = [&] { return WorkerOptions{.order = random.one_in(2) ? Order::kSpin : Order::kWait}; };
    for (int i = 0; i < kVictims; ++i) {
        (void)crew.add(any()).thread.start();
    }
    std::array<std::uint64_t, 9> killed_in{};
    const auto count = [&](ThreadState state) { return killed_in[static_cast<std::size_t>(state)]; };
    const auto exercised = [&] {
        return count(ThreadState::kCreated) != 0 && count(ThreadState::kRunning) != 0 &&
               count(ThreadState::kQueued) != 0 && count(ThreadState::kWaiting) != 0 &&
               count(ThreadState::kUnplaced) != 0;
    };
    for (int i = 0; (i < 150 || (!exercised() && i < 3000)) && !t.failed(); ++i) {
        Worker& victim = crew.workers()[random.below(kVictims)];
        crew.workers()[random.below(kVictims)].ring_bell();
        delay_ticks(random.below(100'000));
        ++killed_in[static_cast<std::size_t>(victim.state()) % killed_in.size()];
        REQUIRE_OK(t, victim.thread.kill(9));
        if (random.one_in(3)) {
            REQUIRE_OK(t, victim.thread.kill(10));
        }
        REQUIRE(t, comes_to(t, victim, ThreadState::kGone));
        crew.renew(victim, any());
        if (!random.one_in(10)) {
            REQUIRE_OK(t, victim.thread.start());
        }
    }
    t.env.log.print("race: created={} running={} queued={} waiting={} unplaced={}",
                    count(ThreadState::kCreated), count(ThreadState::kRunning), count(ThreadState::kQueued),
                    count(ThreadState::kWaiting), count(ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
    REQUIRE(t, exercised());
}

constexpr Entry kCases[] = {
    {"kill_and_block", kill_and_block},   {"kill_and_wake", kill_and_wake},
    {"kill_and_commit", kill_and_commit}, {"kill_and_commit_to_a_busy_cpu", kill_and_commit_to_a_busy_cpu},
    {"kill_anything", kill_anything},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_kill", kCases); }
