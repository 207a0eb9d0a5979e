// SPDX-License-Identifier: MIT
//
// A completion that meets the time-out of the wait for it. Either the wait ends with the completion, or it
// times out and the completion comes with a later wait; it comes exactly once, and nothing else does.
#include "support/agents.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kTimeoutNs = 100 * kMicrosecond;

struct Scene {
    Race race;
    std::uint64_t seed;
    abi::CapSlot bell;
    std::atomic<std::uint64_t> failed_round;
    std::atomic<std::int64_t> failed_with;
};

// Waits for its bell, first with a time-out, then without.
// -> kOk: the completion came in time; kTimedOut: later; anything else is wrong.
Error wait_twice(const Scene& scene, cap::Ring& ring, std::uint64_t round) {
    if (!ring.prepare(cap::submission(abi::Op::kWaitBits, scene.bell, round))) {
        return Error::kQueueFull;
    }
    const auto first = ring.submit_and_wait(1, kTimeoutNs);
    if (!first && first.error() != Error::kTimedOut) {
        return first.error();
    }
    if (!first && !ring.submit_and_wait(1)) {
        return Error::kWrongState;
    }
    const auto completion = ring.next();
    if (!completion || completion->user_data != round || completion->result != 1 || ring.next()) {
        return Error::kBadArgument;
    }
    return first ? Error::kOk : Error::kTimedOut;
}

std::uint64_t wait_for_bell(Station& station, cap::Ring& ring) {
    Scene& scene = *static_cast<Scene*>(station.argument);
    for (std::uint64_t round = 1;; ++round) {
        scene.race.meet(round);
        const Error outcome = wait_twice(scene, ring, round);
        if (outcome != Error::kOk && outcome != Error::kTimedOut) {
            scene.failed_round = round;
            scene.failed_with = static_cast<std::int64_t>(outcome);
            scene.race.give_up();
            return 1;
        }
        if (!scene.race.settle(outcome == Error::kOk)) {
            return 0;
        }
    }
}

std::uint64_t ring_bell(Station& station, cap::Ring&) {
    Scene& scene = *static_cast<Scene*>(station.argument);
    const cap::Notification bell(scene.bell);
    Random random(scene.seed);
    Aim aim(random, 300'000);
    for (std::uint64_t round = 1; scene.race.meet_aimer(round, aim); ++round) {
        (void)bell.signal(1);
        if (!scene.race.steer(round, aim)) {
            break;
        }
    }
    return 0;
}

// The time-out passes on the waiter's own CPU; with chaos the waiter is on another one each time, and its
// time-out stays with the CPU that it was on.
void completion_and_timeout(Case& t, Manner manner) {
    Agents agents(t, manner);
    Crew crew(t);
    Scene* const scene = crew.share<Scene>();
    REQUIRE(t, scene != nullptr);
    const std::uint32_t cpu = last_cpu(t);
    const std::uint64_t anywhere = manner == Manner::kChaos ? 0 : std::uint64_t{1} << cpu;
    const Worker& waiter =
        crew.add({.main = wait_for_bell, .argument = scene, .affinity = anywhere, .first_cpu = cpu});
    const Worker& other = crew.add({.main = ring_bell,
                                    .argument = scene,
                                    .affinity = anywhere == 0 ? 0 : std::uint64_t{1} << (cpu - 1),
                                    .first_cpu = cpu - 1});
    scene->seed = t.seed;
    scene->bell = waiter.station->bell;
    REQUIRE_OK(t, waiter.thread.start());
    REQUIRE_OK(t, other.thread.start());
    REQUIRE(t, eventually(t.env.clock, [&] { return scene->race.over(); }, 3 * patience_ns));
    t.env.log.print("race: completed={} timed_out={}", scene->race.aimer_wins(), scene->race.actor_wins());
    REQUIRE_EQUAL(t, scene->failed_round.load(), 0);
    REQUIRE_EQUAL(t, scene->failed_with.load(), 0);
    REQUIRE(t, scene->race.exercised());
}

void on_one_cpu(Case& t) { completion_and_timeout(t, Manner::kPlain); }
void on_any_cpu(Case& t) { completion_and_timeout(t, Manner::kChaos); }

constexpr Entry kCases[] = {
    {"on_one_cpu", on_one_cpu},
    {"on_any_cpu", on_any_cpu},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_timeout", kCases); }
