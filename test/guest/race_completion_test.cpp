// SPDX-License-Identifier: MIT
//
// A completion for a thread that has exited: dropped, counted, and never given to the next thread in its
// line.
#include "support/observe.hpp"
#include "support/race.hpp"

namespace {

using namespace test;
using abi::ThreadState;

std::uint64_t dropped(const Case& t) {
    const auto stats = sum_of_stats(t);
    return stats ? stats->dropped_completions : 0;
}

void dropped_and_counted(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, server.start(worker, last_cpu(t)));
    REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    REQUIRE_OK(t, worker.thread.kill(0));
    const std::uint64_t before = dropped(t);
    worker.ring_bell();
    REQUIRE_EQUAL(t, dropped(t) - before, 1);
    worker.ring_bell();  // nobody waits any more: it rings for the next one
    REQUIRE_EQUAL(t, dropped(t) - before, 1);
    const auto bits = worker.bell.poll();
    REQUIRE_OK(t, bits);
    REQUIRE_EQUAL(t, *bits, 1);
}

// values[]
constexpr int kRound = 0;
constexpr int kStray = 1;  // completions that came without having been asked for

// Whatever is in its ring at the start, and soon after, is not its own.
std::uint64_t look_then_wait(Station& station, cap::Ring& ring) {
    Race& race = *static_cast<Race*>(station.argument);
    (void)ring.submit_and_wait(1, 20 * kMicrosecond);
    while (ring.next()) {
        ++station.values[kStray];
    }
    (void)ring.prepare(cap::submission(abi::Op::kWaitBits, station.bell, 1));
    (void)ring.submit_and_wait(0);
    race.meet(station.values[kRound].load());
    return 0;
}

// The bell rings just as the thread exits that waits for it. Its line's next thread hears nothing of that.
void completion_and_exit(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Race* const race = crew.share<Race>();
    REQUIRE(t, race != nullptr);
    const WorkerOptions options{.main = look_then_wait, .argument = race, .first_cpu = last_cpu(t)};
    Worker& worker = crew.add(options);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    std::uint64_t same_line = 0;
    for (std::uint64_t round = 1;; ++round) {
        worker.station->values[kRound] = round;
        REQUIRE_OK(t, server.start(worker, last_cpu(t)));
        // It comes back from its first look.
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const abi::ThreadWord word = worker.word();
                    return word.state() == ThreadState::kUnplaced &&
                           server.place(worker, last_cpu(t)).has_value();
                }));
        const std::uint64_t before = dropped(t);
        REQUIRE(t, race->meet_aimer(round, aim));
        worker.ring_bell();
        const bool was_dropped = dropped(t) != before;
        REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
        REQUIRE_EQUAL(t, worker.station->values[kStray].load(), 0);
        (void)race->settle(!was_dropped);
        if (!race->steer(round, aim)) {
            break;
        }
        (void)worker.bell.poll();
        const std::uint32_t line = worker.ref.index;
        crew.renew(worker, options);
        REQUIRE(t, !t.failed());
        same_line += worker.ref.index == line;
    }
    t.env.log.print("race: dropped={} delivered={} same_line={}", race->actor_wins(), race->aimer_wins(),
                    same_line);
    REQUIRE(t, race->exercised());
    REQUIRE(t, same_line > 0);
}

constexpr Entry kCases[] = {
    {"dropped_and_counted", dropped_and_counted},
    {"completion_and_exit", completion_and_exit},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_completion", kCases); }
