// SPDX-License-Identifier: MIT
//
// A timer that expires while it is disarmed, armed anew or dropped elsewhere. Each time that it was armed, once, comes to exactly one
// end: it expires, or whoever armed or disarmed it next is told that it was still armed.
#include "suite.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace test;

// Two threads meet in rounds: one arms, the other does something to the timer at the moment at which it aims.
struct Duel {
    const cap::Env& env;
    cap::Notification bell;
    std::uint64_t seed;
    bool drops;  // else disarms
    std::atomic<std::uint64_t> slot{0};
    std::atomic<std::uint64_t> armed{0}, done{0};  // rounds
    std::atomic<std::uint64_t> begin{0};           // TSC
    std::atomic<std::uint64_t> expired{0}, stopped{0}, wrong{0};
    std::atomic<bool> over{false};
};

constexpr std::uint64_t kRounds = 300, kMaxRounds = 20'000, kEnough = 20;
constexpr std::uint64_t kTimeNs = 50 * kMicrosecond;

bool has_enough(const Duel& duel, std::uint64_t round) {
    return round >= kMaxRounds || (round >= kRounds && duel.expired >= kEnough && duel.stopped >= kEnough);
}

std::uint64_t arm_it(cap::Ring&, void* argument) {
    auto& duel = *static_cast<Duel*>(argument);
    for (std::uint64_t round = 1; !duel.over; ++round) {
        const auto timer = duel.env.process.create_timer(duel.bell, 1);
        duel.begin = cap::read_tsc();
        if (!timer || !timer->arm(kTimeNs)) {
            ++duel.wrong;
            return 1;
        }
        duel.slot = timer->slot().raw();
        duel.armed = round;
        while (duel.done != round && !duel.over) {
        }
        timer->drop();  // a stale slot, if the other has dropped it
    }
    return 0;
}

std::uint64_t end_it(cap::Ring&, void* argument) {
    auto& duel = *static_cast<Duel*>(argument);
    Random random(duel.seed);
    Aim aim(random, duel.env.clock.ticks(kTimeNs));
    for (std::uint64_t round = 1;; ++round) {
        while (duel.armed != round) {
        }
        const cap::Timer timer(abi::CapSlot::from_raw(duel.slot));
        delay_until(duel.begin + aim.next());
        bool expired = false;
        if (duel.drops) {
            const auto counts = timer.read();
            timer.drop();
            expired = counts && counts->expiries != 0;
        } else {
            const auto was_armed = timer.disarm();
            const auto counts = timer.read();
            expired = was_armed && !*was_armed;
            duel.wrong += !was_armed || !counts || counts->expiries != expired;
        }
        ++(expired ? duel.expired : duel.stopped);
        expired ? aim.was_too_late() : aim.was_too_early();
        // Bits without an expiry there are none; those of one may be a moment behind its count.
        const auto rung = [&] { return duel.bell.poll().value_or(0) == 1; };
        if (duel.drops) {
            (void)rung();
        } else {
            duel.wrong += expired ? !eventually(duel.env.clock, rung) : rung();
        }
        if (has_enough(duel, round)) {
            duel.over = true;
        }
        duel.done = round;
        if (duel.over) {
            return 0;
        }
    }
}

void fight(Case& t, bool drops) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Duel duel{.env = t.env, .bell = *bell, .seed = t.seed, .drops = drops};
    const auto first = MUST(t, Sibling::start(t.env, arm_it, &duel, {.affinity = only(t.cpus() - 1)}));
    const auto second = MUST(t, Sibling::start(t.env, end_it, &duel, {.affinity = only(t.cpus() - 2)}));
    REQUIRE(t, eventually(t.env.clock, [&] { return duel.over.load(); }, 3 * patience_ns));
    t.env.log.print("race: expired={} stopped={}", duel.expired.load(), duel.stopped.load());
    REQUIRE(t, first.wait() && second.wait());
    REQUIRE_EQUAL(t, duel.wrong.load(), 0u);
    REQUIRE(t, duel.expired >= kEnough && duel.stopped >= kEnough);
}

void expiry_and_disarm(Case& t) { fight(t, false); }
void expiry_and_last_capability(Case& t) { fight(t, true); }

// Everybody arms, disarms and reads the same few timers, on all CPUs.
struct Storm {
    static constexpr std::size_t kTimers = 3;

    std::array<Owned<cap::Timer>, kTimers> timers;
    std::uint64_t rounds = 0;
    std::atomic<std::uint64_t> seats{0}, seed{0}, left{0};
    std::atomic<std::uint64_t> arms{0}, stops{0}, expiries{0}, errors{0};
};

std::uint64_t storm(cap::Ring&, void* argument) {
    auto& all = *static_cast<Storm*>(argument);
    Random random(all.seed + 1000 * all.seats.fetch_add(1));
    for (std::uint64_t i = 0; i < all.rounds; ++i) {
        const cap::Timer& timer = *all.timers[random.below(Storm::kTimers)];
        switch (random.below(4)) {
            case 0:
            case 1: {
                const auto was = timer.arm(random.below(60 * kMicrosecond));
                all.errors += !was;
                all.arms += was.has_value();
                all.stops += was.value_or(false);
                break;
            }
            case 2: {
                const auto was = timer.disarm();
                all.errors += !was;
                all.stops += was.value_or(false);
                break;
            }
            default: {
                const auto counts = timer.read();
                all.errors += !counts || counts->overruns != 0;
                all.expiries += counts ? counts->expiries : 0;
            }
        }
        if (random.one_in(8)) {
            delay_ticks(random.below(100'000));
        }
    }
    --all.left;
    return 0;
}

void each_arming_ends_once(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Storm all;
    all.rounds = 20'000 / t.cpus();
    all.seed = t.seed;
    all.left = t.cpus();
    for (auto& timer : all.timers) {
        timer = Owned(MUST(t, t.env.process.create_timer(*bell, 1)));
    }
    std::array<std::optional<Sibling>, 8> threads;
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        threads[cpu].emplace(MUST(t, Sibling::start(t.env, storm, &all, {.affinity = only(cpu)})));
    }
    REQUIRE(t, eventually(t.env.clock, [&] { return all.left == 0; }, 3 * patience_ns));
    for (const auto& timer : all.timers) {
        all.stops += MUST(t, timer->disarm());
        all.expiries += MUST(t, timer->read()).expiries;
    }
    t.env.log.print("race: armed={} stopped={} expired={}", all.arms.load(), all.stops.load(),
                    all.expiries.load());
    REQUIRE_EQUAL(t, all.errors.load(), 0u);
    REQUIRE_EQUAL(t, all.arms.load(), all.stops + all.expiries);
    REQUIRE(t, all.stops >= 100 && all.expiries >= 100);
}

constexpr Entry kCases[] = {
    {"expiry_and_disarm", expiry_and_disarm},
    {"expiry_and_last_capability", expiry_and_last_capability},
    {"each_arming_ends_once", each_arming_ends_once},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_timer", kCases); }
