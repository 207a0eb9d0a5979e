// SPDX-License-Identifier: MIT
//
// A wake that meets a thread just as it blocks: it comes before the wait, after it, or in between, when the
// kernel must keep it pending; and it is never lost.
#include "support/agents.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"

namespace {

using namespace test;
using abi::ThreadState;

// What sleeper and waker share: the sleeper's station's values are too few.
struct Scene {
    Race race;
    std::uint64_t seed;
    abi::CapSlot sleeper;  // its thread
    abi::CapSlot bell;
    std::atomic<std::uint64_t> pending;  // how often the wake came while it was about to block
    std::atomic<std::uint64_t> failed;
};

std::uint64_t sleep_and_count(Station& station, cap::Ring& ring) {
    Scene& scene = *static_cast<Scene*>(station.argument);
    const cap::Thread self(scene.sleeper);
    const cap::Notification bell(scene.bell);
    for (std::uint64_t round = 1;; ++round) {
        const auto before = self.status();
        scene.race.meet(round);
        const auto rung = bell.wait(ring);
        const auto after = self.status();
        if (!before || !rung || !after) {
            ++scene.failed;
            scene.race.give_up();
            return 1;
        }
        // Blocking, waking and being placed raise the sequence number; a pending wake leaves it.
        const bool blocked = before->word.sequence() != after->word.sequence();
        scene.pending += !blocked && before->wakes != after->wakes;
        if (!scene.race.settle(!blocked)) {
            return 0;
        }
    }
}

std::uint64_t wake_it(Station& station, cap::Ring&) {
    Scene& scene = *static_cast<Scene*>(station.argument);
    const cap::Notification bell(scene.bell);
    Random random(scene.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1; scene.race.meet_aimer(round, aim); ++round) {
        if (!bell.signal(1)) {
            ++scene.failed;
            return 1;
        }
        if (!scene.race.steer(round, aim)) {
            break;
        }
    }
    return 0;
}

void block_and_wake(Case& t) {
    Agents agents(t, Manner::kPlain);
    Crew crew(t);
    Scene* const scene = crew.share<Scene>();
    REQUIRE(t, scene != nullptr);
    const std::uint32_t cpu = last_cpu(t);
    const auto on = [&](WorkerMain main, std::uint32_t where) -> Worker& {
        return crew.add(
            {.main = main, .argument = scene, .affinity = std::uint64_t{1} << where, .first_cpu = where});
    };
    const Worker& sleeper = on(sleep_and_count, cpu);
    const Worker& waker = on(wake_it, cpu - 1);
    const auto self = crew.process().give(sleeper.thread.slot(), abi::kRead);
    REQUIRE_OK(t, self);
    scene->seed = t.seed;
    scene->sleeper = *self;
    scene->bell = sleeper.station->bell;
    REQUIRE_OK(t, sleeper.thread.start());
    REQUIRE_OK(t, waker.thread.start());
    REQUIRE(t, eventually(t.env.clock, [&] { return scene->race.over(); }, 3 * patience_ns));
    const Race& race = scene->race;
    t.env.log.print("race: blocked={} pending={} before={}", race.actor_wins(), scene->pending.load(),
                    race.aimer_wins() - scene->pending);
    REQUIRE_EQUAL(t, scene->failed.load(), 0);
    // Every wake that the kernel counts is one of those, and the first is the start.
    REQUIRE_EQUAL(t, agents.server().line(sleeper).wakes, 1 + race.actor_wins() + scene->pending);
    REQUIRE(t, race.exercised());
}

constexpr Entry kCases[] = {
    {"block_and_wake", block_and_wake},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_wake", kCases); }
