// SPDX-License-Identifier: MIT
//
// A thread that faults again and again while several have it try again, suspend it and resume it, and in the end map its page or kill
// it. Each fault is ended by one of them; none is forgotten, so that it never waits for nobody.
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPlace = 0x5000'0000;
constexpr std::uint64_t kWins = 30;

struct Scene {
    cap::Thread thread;
    std::uint64_t seed;
    bool suspends;
    std::array<std::atomic<std::uint64_t>, 8> wins{};
    std::atomic<std::uint64_t> seats{0}, late{0}, wrong{0};
    std::atomic<bool> over{false};
};

std::uint64_t end_faults(cap::Ring&, void* argument) {
    auto& scene = *static_cast<Scene*>(argument);
    const std::uint64_t seat = scene.seats.fetch_add(1);
    Random random(scene.seed + 1000 * seat);
    while (!scene.over) {
        if (scene.suspends && random.one_in(8)) {
            scene.wrong += !scene.thread.suspend();
            delay_ticks(random.below(20'000));
            scene.wrong += !scene.thread.resume();
        }
        const auto ended = scene.thread.retry_fault();
        scene.wrong += !ended && ended.error() != Error::kWrongState;
        ++(ended ? scene.wins[seat] : scene.late);
        delay_ticks(random.below(50'000));
    }
    return 0;
}

void one_ends_each(Case& t, bool suspends, bool kills) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto child = MUST(t, Child::create(t.env, "mode=read value=0x50000000", {}));
    const cap::Thread thread = child->thread;
    REQUIRE_OK(t, thread.set_fault_handler(*bell, 1));
    REQUIRE_OK(t, thread.start());
    REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 1u);
    const std::uint64_t before = MUST(t, thread.status()).wakes;
    Scene scene{.thread = thread, .seed = t.seed, .suspends = suspends};
    std::array<std::optional<Sibling>, 8> enders;
    const std::uint64_t count = std::clamp<std::uint64_t>(t.cpus() - 1, 2, 4);
    for (std::uint64_t i = 0; i < count; ++i) {
        enders[i].emplace(
            MUST(t, Sibling::start(t.env, end_faults, &scene, {.affinity = only((i + 1) % t.cpus())})));
    }
    std::uint64_t wins = 0;
    const auto enough = [&] {
        bool all = true;
        wins = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            all &= scene.wins[i] >= 5;
            wins += scene.wins[i];
        }
        return all && wins >= kWins && scene.late >= 10;
    };
    const bool all_won = eventually(t.env.clock, enough, 3 * patience_ns);
    if (!all_won) {
        t.env.log.print("race: ended={} too_late={} outstanding={} word={:x}", wins, scene.late.load(),
                        thread.fault().has_value(), thread.status()->word.raw);
    }
    REQUIRE(t, all_won);
    if (kills) {
        REQUIRE_OK(t, child->process.kill(99));
    }
    scene.over = true;
    for (std::uint64_t i = 0; i < count; ++i) {
        REQUIRE(t, enders[i]->wait());
    }
    (void)enough();
    t.env.log.print("race: ended={} too_late={}", wins, scene.late.load());
    REQUIRE_EQUAL(t, scene.wrong.load() != 0 && !kills, false);
    if (kills) {
        REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 99u);
        return;
    }
    REQUIRE_EQUAL(t, MUST(t, thread.status()).wakes - before, wins);
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    REQUIRE_OK(t, child->process.map(*memory, kPlace, 0, 1, abi::kRead));
    (void)thread.retry_fault();  // unless it has been told so already
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kDoneExitCode);
}

void retried(Case& t) { one_ends_each(t, false, false); }
void suspended(Case& t) { one_ends_each(t, true, false); }
void killed(Case& t) { one_ends_each(t, true, true); }

constexpr Entry kCases[] = {
    {"retried", retried},
    {"suspended", suspended},
    {"killed", killed},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_fault", kCases); }
