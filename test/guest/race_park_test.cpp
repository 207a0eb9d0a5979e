// SPDX-License-Identifier: MIT
//
// unpark meets the time-out, the kill and the parking itself of the thread that it wakes. unpark's count says who has won;
// it must agree with what the parked thread is told, and nothing may be left behind.
#include "cap/joining_thread.hpp"
#include "cap/park.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"

namespace {

using namespace test;
using abi::Error;
using cap::JoiningThread;

using Word = std::atomic<std::uint32_t>;

constexpr std::uint64_t kTimeoutNs = 100 * kMicrosecond;

struct Scene {
    Race race;
    Word word{0};
    std::atomic<std::uint64_t> woken{0};  // by unpark, so far
    std::atomic<std::uint64_t> failed_round{0};

    void fail(std::uint64_t round) {
        failed_round = round;
        race.give_up();
    }
};

// Unparks at the aimed-at moment, and again until somebody was woken or the actor has settled without.
void unpark_aimed(Scene& scene, std::uint64_t seed, bool change) {
    Random random(seed);
    Aim aim(random, 300'000);
    for (std::uint64_t round = 1; scene.race.meet_aimer(round, aim); ++round) {
        if (change) {
            scene.word = static_cast<std::uint32_t>(round);
        }
        // Too early is no loss: else the aim would go astray.
        std::uint64_t woken = 0;
        while (woken == 0 && !scene.race.settled(round)) {
            woken = cap::unpark(scene.word, cap::kAll);
            scene.woken += woken;
        }
        if (!scene.race.steer(round, aim)) {
            return;
        }
    }
}

template <class Park>
void race(Case& t, const char* name, bool change, Park park) {
    Scene scene;
    auto aimer = MUST(
        t, JoiningThread::start(t.env, [&] { unpark_aimed(scene, t.seed, change); },
                                {.affinity = std::uint64_t{1} << last_cpu(t), .first_cpu = last_cpu(t)}));
    auto actor = MUST(t, JoiningThread::start(t.env,
                                              [&] {
                                                  for (std::uint64_t round = 1;; ++round) {
                                                      scene.race.meet(round);
                                                      const auto outcome = park(scene, round);
                                                      if (!outcome) {
                                                          return scene.fail(round);
                                                      }
                                                      if (!scene.race.settle(*outcome)) {
                                                          return;
                                                      }
                                                  }
                                              },
                                              {.affinity = 1, .first_cpu = 0}));
    REQUIRE(t, eventually(t.env.clock, [&] { return scene.race.over(); }, 3 * patience_ns));
    REQUIRE_OK(t, actor.join(t.env.ring));
    REQUIRE_OK(t, aimer.join(t.env.ring));
    t.env.log.print("race: {}: unpark_first={} other_first={} woken={}", name, scene.race.aimer_wins(),
                    scene.race.actor_wins(), scene.woken.load());
    REQUIRE_EQUAL(t, scene.failed_round.load(), 0u);
    REQUIRE(t, scene.race.exercised());
    REQUIRE_EQUAL(t, cap::unpark(scene.word, cap::kAll), 0u);
}

// -> whether unpark was first; nothing if the counts disagree with what was told.
void timeout(Case& t) {
    std::uint64_t told = 0;
    std::uint64_t counted = 0;
    race(t, "timeout", false, [&](Scene& scene, std::uint64_t) -> std::optional<bool> {
        const auto parked = cap::park(scene.word, 0, kTimeoutNs);
        if (!parked && parked.error() != Error::kTimedOut) {
            return std::nullopt;
        }
        told += parked ? 1 : 0;
        // The aimer counts after its call: wait for it, a while.
        if (parked && !eventually(t.env.clock, [&] { return scene.woken.load() >= told; })) {
            return std::nullopt;
        }
        counted = scene.woken.load();
        return counted == told ? std::optional(parked.has_value()) : std::nullopt;
    });
}

// The word is changed, then unparked: either the change comes first and nobody parks, or the thread is woken. Without a
// time-out: a lost wake is a hang.
void value(Case& t) {
    race(t, "value", true, [&](Scene& scene, std::uint64_t round) -> std::optional<bool> {
        const auto before = static_cast<std::uint32_t>(round - 1);
        const auto parked = cap::park(scene.word, before);
        if (scene.word.load() != round) {
            return std::nullopt;
        }
        if (!parked && parked.error() != Error::kValueChanged) {
            return std::nullopt;
        }
        return !parked.has_value();
    });
}

// Killed and unparked at once: it ends either way; who came first says the count; the next one parks in the same place.
void kill(Case& t) {
    Word word{0};
    Random random(t.seed);
    Aim aim(random, 100'000);
    std::uint64_t unparked = 0;
    std::uint64_t killed = 0;
    constexpr std::uint64_t kRounds = 60;
    for (std::uint64_t round = 0; round < 40 * kRounds && (round < kRounds || unparked < 5 || killed < 5);
         ++round) {
        auto target = MUST(
            t, JoiningThread::start(t.env, [&] { return cap::park(word, 0) ? 1 : 2; },
                                    {.affinity = std::uint64_t{1} << last_cpu(t), .first_cpu = last_cpu(t)}));
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = target->status();
                    return status && status->word.state() == abi::ThreadState::kWaiting;
                }));
        std::atomic<bool> go{false};
        std::atomic<std::uint64_t> woken{0};
        const std::uint64_t lead = 20'000 + aim.lead();
        auto waker = MUST(
            t, JoiningThread::start(t.env,
                                    [&] {
                                        while (!go.load()) {
                                        }
                                        delay_ticks(lead);
                                        woken = cap::unpark(word, 1);
                                    },
                                    {.affinity = std::uint64_t{1} << last_cpu(t), .first_cpu = last_cpu(t)}));
        sleep_ns(50 * kMicrosecond);  // until it spins
        go = true;
        delay_ticks(aim.next());
        REQUIRE_OK(t, target->kill(9));
        const std::uint64_t code = MUST(t, target.join(t.env.ring));
        REQUIRE_OK(t, waker.join(t.env.ring));
        REQUIRE(t, code == 9 || code == 1);
        REQUIRE(t, woken == 1 || code == 9);  // it did not return by itself without a wake
        woken == 1 ? (++unparked, aim.was_too_late()) : (++killed, aim.was_too_early());
        REQUIRE_EQUAL(t, cap::unpark(word, cap::kAll), 0u);
    }
    t.env.log.print("race: kill: unparked={} killed={}", unparked, killed);
    REQUIRE(t, unparked >= 5 && killed >= 5);
}

constexpr Entry kCases[] = {
    {"timeout", timeout},
    {"value", value},
    {"kill", kill},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_park", kCases); }
