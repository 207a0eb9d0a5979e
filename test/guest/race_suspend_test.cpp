// SPDX-License-Identifier: MIT
//
// Suspending and resuming against everything else that happens to a thread: no wake is lost, none is doubled, and
// a thread that was resumed last goes on.
#include "support/agents.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::ThreadState;

// The helper, on the last CPU, suspends or resumes a thread, or wakes it, when it is met.
struct Act {
    Race race{};
    std::atomic<std::uint64_t> thread{0}, bell{0};  // slots
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> done{0};
};

std::uint64_t suspend_when_met(cap::Ring&, void* argument) {
    Act& act = *static_cast<Act*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        act.race.meet(round);
        (void)cap::Thread(abi::CapSlot::from_raw(act.thread.load())).suspend();
        act.done = round;
    }
}

std::uint64_t wake_when_met(cap::Ring&, void* argument) {
    Act& act = *static_cast<Act*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        act.race.meet(round);
        (void)cap::Notification(abi::CapSlot::from_raw(act.bell.load())).signal(1);
        act.done = round;
    }
}

struct Sleeper {
    cap::Notification bell;
    std::atomic<std::uint64_t> heard{0};

    static std::uint64_t run(cap::Ring& ring, void* argument) {
        Sleeper& sleeper = *static_cast<Sleeper*>(argument);
        for (;;) {
            (void)sleeper.bell.wait(ring);
            ++sleeper.heard;
        }
    }
};

// Suspended just as it is woken: it hears of the wake, once, at once or when it is resumed.
void suspend_and_wake(Case& t) {
    Act act;
    Sleeper sleeper{MUST(t, t.env.process.create_notification())};
    const auto thread = MUST(t, Sibling::start(t.env, Sleeper::run, &sleeper, {.affinity = only(0)}));
    const auto helper = MUST(t, Sibling::start(t.env, wake_when_met, &act,
                                               {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)}));
    act.bell = sleeper.bell.slot().raw();
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE(t, thread.reaches(ThreadState::kWaiting));
        const std::uint32_t sequence = thread.word().sequence();
        REQUIRE(t, act.race.meet_aimer(round, aim));
        REQUIRE_OK(t, thread->suspend());
        REQUIRE(t, eventually(t.env.clock, [&] { return act.done == round; }));
        REQUIRE(t, thread.reaches(ThreadState::kSuspended) || sleeper.heard == round);
        // Suspended before the wake, its next step was that; else it was woken.
        const bool suspended_first = thread.word().sequence() == sequence + 1 && sleeper.heard == round - 1;
        REQUIRE_OK(t, thread->resume());
        REQUIRE(t, eventually(t.env.clock, [&] { return sleeper.heard == round; }));
        (void)act.race.settle(suspended_first);
        if (!act.race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: suspended_before={} woken_before={}", act.race.aimer_wins(),
                    act.race.actor_wins());
    REQUIRE(t, thread.reaches(ThreadState::kWaiting));
    REQUIRE_EQUAL(t, sleeper.heard.load(), act.race.rounds());
    REQUIRE_OK(t, thread->kill(0));
    sleeper.bell.drop();
    REQUIRE(t, act.race.exercised());
}

// values[]
constexpr int kRound = 0;

std::uint64_t block_when_met(Station& station, cap::Ring& ring) {
    static_cast<Race*>(station.argument)->meet(station.values[kRound].load());
    for (;;) {
        (void)cap::Notification(station.bell).wait(ring);
        ++station.waits_done;
    }
}

// Suspended while it is about to block: it waits when it is resumed, and hears its bell.
void suspend_and_block(Case& t) {
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
        worker.station->waits_done = 0;
        REQUIRE_OK(t, server.start(worker, last_cpu(t)));
        REQUIRE(t, race->meet_aimer(round, aim));
        REQUIRE_OK(t, worker.thread.suspend());
        REQUIRE(t, comes_to(t, worker, ThreadState::kSuspended));
        const bool runnable = worker.word().wake_pending();
        REQUIRE_OK(t, worker.thread.resume());
        if (runnable) {
            REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
            REQUIRE_OK(t, server.place(worker, last_cpu(t)));
        }
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        worker.ring_bell();
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
        REQUIRE_OK(t, server.place(worker, last_cpu(t)));
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        REQUIRE_EQUAL(t, worker.station->waits_done.load(), 1u);
        REQUIRE_OK(t, worker.thread.kill(0));
        (void)race->settle(runnable);
        if (!race->steer(round, aim)) {
            break;
        }
        crew.renew(worker, options);
        REQUIRE(t, !t.failed());
    }
    t.env.log.print("race: blocked_before={} suspended_before={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

// Resumed while it is being suspended by another: whoever came last has it his way.
void suspend_and_resume(Case& t) {
    Act act;
    std::atomic<std::uint64_t> beats{0};
    const auto spin = [](cap::Ring&, void* argument) -> std::uint64_t {
        for (;;) {
            ++*static_cast<std::atomic<std::uint64_t>*>(argument);
        }
    };
    const std::uint32_t cpu = t.cpus() > 2 ? 1 : 0;
    const auto thread =
        MUST(t, Sibling::start(t.env, spin, &beats, {.affinity = only(cpu), .first_cpu = cpu}));
    const auto helper = MUST(t, Sibling::start(t.env, suspend_when_met, &act,
                                               {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)}));
    act.thread = thread->slot().raw();
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE(t, eventually(t.env.clock, [&, before = beats.load()] { return beats != before; }));
        REQUIRE(t, act.race.meet_aimer(round, aim));
        REQUIRE_OK(t, thread->resume());
        REQUIRE(t, eventually(t.env.clock, [&] { return act.done == round; }));
        // What was asked for last is what comes; the other has left no trace.
        const auto settled = [&] {
            const auto word = thread.word();
            return word.state() == ThreadState::kSuspended || (is_placed(word) && word.requests() == 0);
        };
        REQUIRE(t, eventually(t.env.clock, settled));
        const bool suspended = thread.state() == ThreadState::kSuspended;
        if (suspended) {
            const std::uint64_t before = beats;
            delay_ticks(20'000);
            REQUIRE_EQUAL(t, beats.load(), before);
            REQUIRE_OK(t, thread->resume());
        }
        (void)act.race.settle(suspended);
        if (!act.race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: resumed_before={} suspended_before={}", act.race.aimer_wins(),
                    act.race.actor_wins());
    REQUIRE(t, act.race.exercised());
}

// Each waits for its bell, or spins, while others suspend, resume, wake and kill it, from any CPU.
struct Storm {
    std::uint64_t seed;
    std::uint64_t victims;
    std::atomic<std::uint64_t> stop;
    std::array<std::atomic<std::uint64_t>, 16> thread, bell;  // slots in the crew's table
    std::array<std::atomic<std::uint64_t>, 9> seen;           // states in which one was suspended
};

std::uint64_t meddle(Station& station, cap::Ring&) {
    Storm& storm = *static_cast<Storm*>(station.argument);
    Random random(storm.seed * 64 + station.values[0]);
    while (storm.stop == 0) {
        const std::uint64_t which = random.below(storm.victims);
        const cap::Thread thread(abi::CapSlot::from_raw(storm.thread[which].load()));
        const cap::Notification bell(abi::CapSlot::from_raw(storm.bell[which].load()));
        const auto status = thread.status();
        switch (random.below(6)) {
            case 0:
            case 1:
                if (status) {
                    ++storm.seen[static_cast<std::size_t>(status->word.state()) % storm.seen.size()];
                }
                (void)thread.suspend();
                break;
            case 2:
            case 3: (void)thread.resume(); break;
            case 4: (void)bell.signal(1); break;
            default: sleep_ns(random.below(200 * kMicrosecond));
        }
        delay_ticks(random.below(50'000));
        ++station.beats;
    }
    return 0;
}

void storm(Case& t) {
    Agents agents(t, Manner::kChaos);
    Crew crew(t);
    Storm* const storm = crew.share<Storm>();
    REQUIRE(t, storm != nullptr);
    constexpr std::uint64_t kVictims = 6;
    storm->seed = t.seed;
    storm->victims = kVictims;
    Random random(t.seed);
    const auto any = [&] { return WorkerOptions{.order = random.one_in(2) ? Order::kSpin : Order::kWait}; };
    const auto show = [&](std::uint64_t i) {
        const Worker& victim = crew.workers()[i];
        const auto given = crew.process().give(victim.thread.slot(), abi::kRead | abi::kManage);
        if (!given) {
            return t.fail("a victim cannot be shown: {}", given.error());
        }
        storm->bell[i] = victim.station->bell.raw();
        storm->thread[i] = given->raw();
    };
    for (std::uint64_t i = 0; i < kVictims; ++i) {
        (void)crew.add(any()).thread.start();
        show(i);
    }
    // The meddlers are placed by the agents too, so they come and go on all CPUs.
    for (std::uint64_t i = 0; i < std::min(t.cpus(), 3u); ++i) {
        const Worker& meddler = crew.add({.main = meddle, .argument = storm, .first_cpu = i});
        meddler.station->values[0] = i;
        REQUIRE_OK(t, meddler.thread.start());
    }
    const auto exercised = [&] {
        const auto count = [&](ThreadState s) { return storm->seen[static_cast<std::size_t>(s)].load(); };
        return count(ThreadState::kRunning) > 5 && count(ThreadState::kQueued) > 5 &&
               count(ThreadState::kWaiting) > 5 && count(ThreadState::kUnplaced) > 5 &&
               count(ThreadState::kSuspended) > 5 && count(ThreadState::kGone) > 0;
    };
    std::uint64_t kills = 0;
    for (int i = 0; (i < 60 || (!exercised() && i < 1500)) && !t.failed(); ++i) {
        const std::uint64_t which = random.below(kVictims);
        Worker& victim = crew.workers()[which];
        sleep_ns(random.below(2 * kMillisecond));
        REQUIRE_OK(t, victim.thread.kill(9));
        ++kills;
        REQUIRE(t, comes_to(t, victim, ThreadState::kGone));
        (void)victim.bell.poll();
        crew.renew(victim, any());
        show(which);
        REQUIRE_OK(t, victim.thread.start());
    }
    storm->stop = 1;
    for (std::uint64_t i = kVictims; i < crew.workers().size(); ++i) {
        REQUIRE(t, comes_to(t, crew.workers()[i], ThreadState::kGone));
    }
    t.env.log.print("race: running={} queued={} waiting={} unplaced={} suspended={} gone={} kills={}",
                    storm->seen[2].load(), storm->seen[3].load(), storm->seen[4].load(),
                    storm->seen[5].load(), storm->seen[6].load(), storm->seen[8].load(), kills);
    // Resumed for good, each gets on: it spins, or hears its bell.
    for (std::uint64_t i = 0; i < kVictims; ++i) {
        const Worker& victim = crew.workers()[i];
        REQUIRE_OK(t, victim.thread.resume());
        const std::uint64_t done = victim.station->waits_done + victim.beats();
        REQUIRE(t, eventually(t.env.clock, [&] {
                    victim.ring_bell();
                    return victim.station->waits_done + victim.beats() != done;
                }));
    }
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
    REQUIRE(t, exercised());
}

constexpr Entry kCases[] = {
    {"suspend_and_wake", suspend_and_wake},
    {"suspend_and_block", suspend_and_block},
    {"suspend_and_resume", suspend_and_resume},
    {"storm", storm},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_suspend", kCases); }
