// SPDX-License-Identifier: MIT
//
// Storms under agents that place at random, late, twice and nowhere for long: wakes, changes of affinity,
// threads that come and go. Nothing is lost, nothing doubled.
#include "support/agents.hpp"
#include "support/load.hpp"
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::ThreadState;

constexpr std::uint64_t kSignals = 120;  // of each waker
constexpr std::uint64_t kMaxWakers = 16;

struct Storm {
    std::uint64_t seed;
    std::uint64_t wakers;
    std::array<std::atomic<std::uint64_t>, kMaxWakers> told;  // by each waker, before it signals its bit
    std::array<std::atomic<std::uint64_t>, kMaxWakers>
        heard;  // what the sleeper has found there after a wake
};

// values[]
constexpr int kNumber = 0;
constexpr int kBell = 1;  // slot of the sleeper's bell

std::uint64_t signal_often(Station& station, cap::Ring&) {
    Storm& storm = *static_cast<Storm*>(station.argument);
    const std::uint64_t number = station.values[kNumber];
    const cap::Notification bell(abi::CapSlot::from_raw(station.values[kBell].load()));
    Random random(storm.seed * kMaxWakers + number);
    for (std::uint64_t i = 1; i <= kSignals; ++i) {
        // About as long as the sleeper needs to hear of the signal before.
        const std::uint64_t limit = cap::read_tsc() + random.below(1'000'000);
        while (storm.heard[number] != i - 1 && cap::read_tsc() < limit) {
        }
        delay_ticks(random.below(20'000));
        storm.told[number] = i;
        if (!bell.signal(std::uint64_t{1} << number)) {
            return 1;
        }
    }
    return 0;
}

// Until it has heard the last of every waker. The bell's last signal is therefore never lost.
std::uint64_t hear_all(Station& station, cap::Ring& ring) {
    Storm& storm = *static_cast<Storm*>(station.argument);
    const cap::Notification bell(station.bell);
    Random random(storm.seed);
    for (std::uint64_t finished = 0; finished != storm.wakers;) {
        const auto bits = bell.wait(ring);
        if (!bits) {
            return 1;
        }
        ++station.waits_done;
        finished = 0;
        for (std::uint64_t i = 0; i < storm.wakers; ++i) {
            if ((*bits >> i & 1) != 0) {
                storm.heard[i] = storm.told[i].load();
            }
            finished += storm.heard[i] == kSignals;
        }
        delay_ticks(random.below(10'000));
    }
    return 0;
}

void many_wake_one(Case& t) {
    Agents agents(t, Manner::kChaos);
    Crew crew(t);
    Storm* const storm = crew.share<Storm>();
    REQUIRE(t, storm != nullptr);
    storm->seed = t.seed;
    storm->wakers = std::min<std::uint64_t>(2 * t.cpus(), kMaxWakers);
    const Worker& sleeper = crew.add({.main = hear_all, .argument = storm});
    REQUIRE_OK(t, sleeper.thread.start());
    for (std::uint64_t i = 0; i < storm->wakers; ++i) {
        const Worker& waker = crew.add({.main = signal_often, .argument = storm, .first_cpu = i % t.cpus()});
        waker.station->values[kNumber] = i;
        waker.station->values[kBell] = sleeper.station->bell.raw();
        REQUIRE_OK(t, waker.thread.start());
    }
    REQUIRE(t,
            eventually(t.env.clock, [&] { return sleeper.state() == ThreadState::kGone; }, 3 * patience_ns));
    const std::uint64_t wakes = sleeper.thread.status()->wakes;
    const std::uint64_t handled = sleeper.station->waits_done;
    t.env.log.print("race: signals={} wakes={} handled={}", storm->wakers * kSignals, wakes, handled);
    for (std::uint64_t i = 0; i < storm->wakers; ++i) {
        REQUIRE_EQUAL(t, storm->heard[i].load(), kSignals);
    }
    // Some waits need no wake, since the bell had rung before; but no wake is for nothing. The first one is
    // the start.
    REQUIRE(t, wakes > 1);
    REQUIRE(t, wakes <= handled + 1);
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
}

// Pairs that wake each other in turn: one of the two is always due. A lost wake stops them, a doubled one
// tears the counts apart.
void pairs(Case& t) {
    Agents agents(t, Manner::kChaos);
    Load load(t, 1, 2);
    for (int round = 0; round < 20; ++round) {
        if (!load.all_progress()) {
            load.fail_with_who_stands_still();
        }
        REQUIRE(t, !t.failed());
        REQUIRE(t, load.pairs_in_step());
    }
    t.env.log.print("race: commits={} refused={}", agents.accepted(), agents.refused());
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
    REQUIRE(t, agents.accepted() > 200);
    REQUIRE(t, agents.refused() > 0);
}

// Threads that have to leave where they are, again and again; none runs for long where it may not, and all go
// on.
void affinity(Case& t) {
    Agents agents(t, Manner::kChaos);
    Load load(t, 2, 1);
    Random random(t.seed);
    const auto workers = load.crew().workers();
    std::uint64_t driven_away = 0;
    for (int i = 0; i < 150 || (driven_away < 3 && i < 3000); ++i) {
        const Worker& worker = workers[random.below(workers.size())];
        const std::uint64_t mask = 1 + random.below((std::uint64_t{1} << t.cpus()) - 1);
        const abi::ThreadWord before = worker.word();
        REQUIRE_OK(t, worker.thread.set_affinity(mask));
        driven_away += before.state() == ThreadState::kRunning && (mask >> before.cpu() & 1) == 0;
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const abi::ThreadWord word = worker.word();
                    return !is_placed(word) || (mask >> word.cpu() & 1) != 0;
                }));
        if (i % 30 == 0 && !load.all_progress()) {
            load.fail_with_who_stands_still();
        }
        REQUIRE(t, !t.failed());
    }
    t.env.log.print("race: driven_away={}", driven_away);
    REQUIRE(t, load.all_progress());
    REQUIRE(t, driven_away >= 3);
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
}

// Threads created, run and gone, as many at a time as there are, in the lines of those before.
void churn(Case& t) {
    Agents agents(t, Manner::kChaos);
    Load load(t, 1, 1);
    Crew crew(t);
    Random random(t.seed);
    constexpr int kThreads = 8;
    const auto any = [&] { return WorkerOptions{.order = random.one_in(3) ? Order::kWait : Order::kExit}; };
    for (int i = 0; i < kThreads; ++i) {
        (void)crew.add(any()).thread.start();
    }
    for (int i = 0; i < 150 && !t.failed(); ++i) {
        Worker& worker = crew.workers()[static_cast<std::size_t>(i % kThreads)];
        worker.order(Order::kExit);
        worker.ring_bell();
        REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
        (void)worker.bell.poll();
        crew.renew(worker, any());
        REQUIRE_OK(t, worker.thread.start());
    }
    REQUIRE(t, load.all_progress());
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
}

constexpr Entry kCases[] = {
    {"many_wake_one", many_wake_one},
    {"pairs", pairs},
    {"affinity", affinity},
    {"churn", churn},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_storm", kCases); }
