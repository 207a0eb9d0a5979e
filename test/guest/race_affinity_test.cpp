// SPDX-License-Identifier: MIT
//
// A change of affinity that excludes a thread's CPU, just when the thread is woken, is about to run there after a
// commit, or blocks there. It never runs where it may not, is never lost, and goes on where it may.
#include "support/observe.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

constexpr std::uint64_t kFirstCpu = 1;  // the mask

// After the change: its event has come, the CPU that it was on is refused, and CPU 0 is not.
void goes_on_elsewhere(Case& t, DomainServer& server, const Worker& worker) {
    REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, server.line(worker).affinity, kFirstCpu);
    REQUIRE_ERROR(t, server.place(worker, last_cpu(t)), Error::kAffinity);
    REQUIRE_OK(t, server.place(worker, 0));
}

// The helper rings when it is met.
struct Ringing {
    cap::Notification bell;
    Race race{};
};

std::uint64_t ring_when_met(cap::Ring&, void* argument) {
    Ringing& ringing = *static_cast<Ringing*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        ringing.race.meet(round);
        (void)ringing.bell.signal(1);
    }
}

void change_and_wake(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.order = Order::kWait});
    Ringing ringing{worker.bell};
    const auto helper = Sibling::start(t.env, ring_when_met, &ringing,
                                       {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)});
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, server.start(worker, last_cpu(t)));
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        const std::uint32_t sequence = worker.word().sequence();
        const std::uint64_t wakes = server.line(worker).wakes;
        server.forget();
        REQUIRE(t, ringing.race.meet_aimer(round, aim));
        const std::uint64_t begin = cap::read_tsc();
        REQUIRE_OK(t, worker.thread.set_affinity(kFirstCpu));
        goes_on_elsewhere(t, server, worker);
        REQUIRE(t, !t.failed());
        const auto status = worker.thread.status();
        REQUIRE_OK(t, status);
        REQUIRE_EQUAL(t, status->wakes, wakes + 1);
        (void)ringing.race.settle(status->runnable_since > begin);
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        REQUIRE_EQUAL(t, worker.word().sequence(), sequence + 3);  // unplaced, queued, waiting
        if (!ringing.race.steer(round, aim)) {
            break;
        }
        // Back to where it may not be next time.
        REQUIRE_OK(t, worker.thread.set_affinity(kAllCpus));
        worker.ring_bell();
        REQUIRE_OK(t, server.place(worker, last_cpu(t)));
    }
    t.env.log.print("race: woken_before={} changed_before={}", ringing.race.actor_wins(),
                    ringing.race.aimer_wins());
    REQUIRE(t, ringing.race.exercised());
}

// Committed to an idle CPU, which is about to take it.
void change_and_dispatch(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, worker.thread.start());
    std::uint64_t ran = 0;
    std::uint64_t held_back = 0;
    for (std::uint64_t round = 0; round < Race::kMaxRounds; ++round) {
        if (round >= Race::kRounds && ran >= Race::kEnough && held_back >= Race::kEnough) {
            break;
        }
        server.forget();
        const std::uint64_t beats = worker.beats();
        REQUIRE_OK(t, server.place(worker, last_cpu(t)));
        delay_ticks(aim.next());
        REQUIRE_OK(t, worker.thread.set_affinity(kFirstCpu));
        REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
        REQUIRE_EQUAL(t, server.line(worker).word.cause(), Cause::kAffinityChanged);
        const bool has_run = worker.beats() != beats;
        has_run ? aim.was_too_late() : aim.was_too_early();
        ++(has_run ? ran : held_back);
        goes_on_elsewhere(t, server, worker);
        REQUIRE(t, !t.failed());
        REQUIRE_OK(t, server.place(worker, 0, abi::kCommitRecall));
        REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
        REQUIRE_OK(t, worker.thread.set_affinity(kAllCpus));
    }
    t.env.log.print("race: ran={} held_back={}", ran, held_back);
    REQUIRE(t, ran >= Race::kEnough);
    REQUIRE(t, held_back >= Race::kEnough);
}

std::uint64_t block_when_met(Station& station, cap::Ring& ring) {
    Race& race = *static_cast<Race*>(station.argument);
    for (std::uint64_t round = 1;; ++round) {
        race.meet(round);
        (void)cap::Notification(station.bell).wait(ring);
        ++station.waits_done;
    }
}

void change_and_block(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Race* const race = crew.share<Race>();
    REQUIRE(t, race != nullptr);
    const Worker& worker = crew.add({.main = block_when_met, .argument = race});
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, server.start(worker, last_cpu(t)));
    for (std::uint64_t round = 1;; ++round) {
        const std::uint32_t sequence = worker.word().sequence();
        server.forget();
        REQUIRE(t, race->meet_aimer(round, aim));
        REQUIRE_OK(t, worker.thread.set_affinity(kFirstCpu));
        REQUIRE(t, eventually(t.env.clock, [&] { return !is_placed(worker.word()); }));
        REQUIRE_EQUAL(t, worker.word().sequence(), sequence + 1);
        const bool driven_away = worker.state() == ThreadState::kUnplaced;
        REQUIRE_EQUAL(t, server.line(worker).word.cause(),
                      driven_away ? Cause::kAffinityChanged : Cause::kBlocked);
        worker.ring_bell();
        goes_on_elsewhere(t, server, worker);
        REQUIRE(t, !t.failed());
        REQUIRE(t, eventually(t.env.clock, [&] { return worker.station->waits_done == round; }));
        // Now it spins on CPU 0, until it is met there.
        REQUIRE_OK(t, worker.thread.set_affinity(kAllCpus));
        REQUIRE_OK(t, server.place(worker, 0, abi::kCommitRecall));
        REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
        REQUIRE_OK(t, server.place(worker, last_cpu(t)));
        (void)race->settle(driven_away);
        if (!race->steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: blocked={} driven_away={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

constexpr Entry kCases[] = {
    {"change_and_wake", change_and_wake},
    {"change_and_dispatch", change_and_dispatch},
    {"change_and_block", change_and_block},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_affinity", kCases); }
