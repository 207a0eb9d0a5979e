// SPDX-License-Identifier: MIT
//
// A completion that meets the cancelling of its operation. One of them wins, and says so; the operation completes
// exactly once, with what has won, and what is linked to it is done or not accordingly.
#include "support/agents.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kNext = std::uint64_t{1} << 32;  // in the user_data of what is linked

struct Scene {
    Race race;
    std::uint64_t seed;
    abi::CapSlot bell;
    std::atomic<std::uint64_t> failed_round;
    std::atomic<std::int64_t> failed_with;
};

// -> kOk: the bell was first; kCancelled: it was not, and is heard afterwards; anything else is wrong.
Error wait_and_cancel(const Scene& scene, cap::Ring& ring, std::uint64_t round) {
    const cap::Notification bell(scene.bell);
    const auto cancelled = bell.cancel(round);
    if (!cancelled && cancelled.error() != Error::kWrongState) {
        return cancelled.error();
    }
    if (const auto both = ring.submit_and_wait(2); !both) {
        return both.error();
    }
    constexpr auto kCancelled = static_cast<std::int64_t>(Error::kCancelled);
    const auto first = ring.next();
    const auto second = ring.next();
    if (!first || first->user_data != round || first->result != (cancelled ? kCancelled : 1)) {
        return Error::kBadArgument;
    }
    if (!second || second->user_data != kNext + round || second->result != (cancelled ? kCancelled : 7)) {
        return Error::kNotRunnable;
    }
    if (cancelled && bell.wait(ring) != 1) {
        return Error::kStaleRef;
    }
    return ring.next() ? Error::kBusy : cancelled ? Error::kCancelled : Error::kOk;
}

// Submits a wait, and a second operation that is linked to it and stays in the queue.
bool begin(const Station& station, const Scene& scene, cap::Ring& ring, std::uint64_t round) {
    auto wait = cap::submission(abi::Op::kWaitBits, scene.bell, round);
    wait.flags = abi::kLink;
    return ring.prepare(wait) &&
           ring.prepare(cap::submission(abi::Op::kNop, station.bell, kNext + round, 7)) &&
           ring.submit_and_wait(0);
}

std::uint64_t wait_for_bell(Station& station, cap::Ring& ring) {
    Scene& scene = *static_cast<Scene*>(station.argument);
    for (std::uint64_t round = 1;; ++round) {
        const bool begun = begin(station, scene, ring, round);
        scene.race.meet(round);
        const Error outcome = begun ? wait_and_cancel(scene, ring, round) : Error::kQueueFull;
        if (outcome != Error::kOk && outcome != Error::kCancelled) {
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

// With chaos both are on other CPUs each time.
void completion_and_cancel(Case& t, Manner manner) {
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
    t.env.log.print("race: completed={} cancelled={}", scene->race.aimer_wins(), scene->race.actor_wins());
    REQUIRE_EQUAL(t, scene->failed_round.load(), 0);
    REQUIRE_EQUAL(t, scene->failed_with.load(), 0);
    REQUIRE(t, scene->race.exercised());
}

void on_one_cpu(Case& t) { completion_and_cancel(t, Manner::kPlain); }
void on_any_cpu(Case& t) { completion_and_cancel(t, Manner::kChaos); }

constexpr Entry kCases[] = {
    {"on_one_cpu", on_one_cpu},
    {"on_any_cpu", on_any_cpu},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_cancel", kCases); }
