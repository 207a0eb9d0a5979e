// SPDX-License-Identifier: MIT
//
// Race: two threads that meet again and again, one of which aims at the moment when the other acts. They may
// share one CPU of the host, so they meet by a handshake, and the delays grow to the host's time slices if
// need be. Lives in memory that both see.
//
//     actor: meet(round), acts, settle(outcome)          aimer: meet_aimer(round, aim), acts, steer(aim)
//
// A race has been exercised when both outcomes have been seen kEnough times, after kRounds rounds at least.
#pragma once

#include "support/patience.hpp"
#include "support/random.hpp"

#include <atomic>
#include <cstdint>

namespace test {

class Race {
public:
    static constexpr std::uint64_t kRounds = 100;
    static constexpr std::uint64_t kMaxRounds = 5000;
    static constexpr std::uint64_t kEnough = 5;
    static constexpr std::uint64_t kLead = 20'000;  // ticks from the meeting to the actor's act

    // The actor's side.
    void meet(std::uint64_t round) {
        actor_ = round;
        while (aimer_.load() != round) {
        }
        delay_until(begin_.load() + lead_.load());
    }
    // Which side won: the aimer, because it acted first, or the actor. -> whether there is another round.
    bool settle(bool aimer_won) {
        aimer_won_ = aimer_won;
        const std::uint64_t won = aimer_won ? ++aimer_wins_ : ++actor_wins_;
        const std::uint64_t other = aimer_won ? actor_wins_ : aimer_wins_;
        const std::uint64_t rounds = won + other;
        const bool more = rounds < kMaxRounds && (rounds < kRounds || won < kEnough || other < kEnough);
        settled_ = more ? rounds : kOver;
        return more;
    }
    // The actor cannot go on.
    void give_up() { settled_ = kOver; }

    // The aimer's side. False: there is no such round.
    bool meet_aimer(std::uint64_t round, Aim& aim) {
        while (actor_.load() != round) {
            if (over()) {
                return false;
            }
        }
        const std::uint64_t now = cap::read_tsc();
        begin_ = now;
        lead_ = kLead + aim.lead();
        aimer_ = round;
        delay_until(now + aim.next());
        return true;
    }
    // Waits for the outcome. False: it was the last round.
    bool steer(std::uint64_t round, Aim& aim) {
        while (!settled(round)) {
        }
        aimer_won_.load() ? aim.was_too_early() : aim.was_too_late();
        return !over();
    }

    [[nodiscard]] bool settled(std::uint64_t round) const { return settled_.load() >= round; }
    [[nodiscard]] bool over() const { return settled_.load() == kOver; }
    [[nodiscard]] std::uint64_t rounds() const { return aimer_wins() + actor_wins(); }
    [[nodiscard]] std::uint64_t aimer_wins() const { return aimer_wins_.load(); }
    [[nodiscard]] std::uint64_t actor_wins() const { return actor_wins_.load(); }
    [[nodiscard]] bool exercised() const { return aimer_wins() >= kEnough && actor_wins() >= kEnough; }

private:
    static constexpr std::uint64_t kOver = ~std::uint64_t{0};

    alignas(64) std::atomic<std::uint64_t> actor_{0};
    alignas(64) std::atomic<std::uint64_t> aimer_{0};
    std::atomic<std::uint64_t> begin_{0};
    std::atomic<std::uint64_t> lead_{kLead};
    alignas(64) std::atomic<std::uint64_t> settled_{0};
    std::atomic<bool> aimer_won_{false};
    std::atomic<std::uint64_t> aimer_wins_{0};
    std::atomic<std::uint64_t> actor_wins_{0};
};

}  // namespace test
