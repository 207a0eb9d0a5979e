// SPDX-License-Identifier: MIT
//
// Random: numbers from a seed (Weyl sequence and a mixing function), the same in every run.
//
// Aim: a delay that is steered to the moment where a race is open. Each attempt says which side won; the
// delay moves against it, in steps that shrink when the winner changes and grow while it does not, and every
// attempt is scattered a little around it. A delay below zero is the other side's to wait (lead()). So both
// sides win often, on a fast machine as on a slow one.
#pragma once

#include <algorithm>
#include <cstdint>

namespace test {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15;
        std::uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

private:
    std::uint64_t state_;
};

class Aim {
public:
    // In ticks of the TSC.
    explicit Aim(Random& random, std::uint64_t start = 4000)
        : random_(random), delay_(static_cast<std::int64_t>(start)), step_(delay_ / 2) {}

    std::uint64_t next() {
        const std::int64_t scatter = step_ + std::max<std::int64_t>(delay_, 0) / 16 + 1;
        const auto scattered = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(scatter)));
        return static_cast<std::uint64_t>(std::max<std::int64_t>(delay_ + scattered, 0));
    }
    // How long the other side must wait. Whoever asks grants it: from then on the delay may fall below zero.
    std::uint64_t lead() {
        least_ = -kMaxDelay;
        return static_cast<std::uint64_t>(std::max<std::int64_t>(-delay_, 0));
    }

    void was_too_early() { move(true); }
    void was_too_late() { move(false); }

private:
    static constexpr std::int64_t kMinStep = 50;
    static constexpr std::int64_t kMaxStep = 1'000'000;
    static constexpr std::int64_t kMaxDelay = 50'000'000;

    void move(bool later) {
        step_ = later == later_ ? step_ + step_ / 4 + 1 : step_ / 2;
        step_ = std::clamp(step_, kMinStep, kMaxStep);
        later_ = later;
        delay_ = std::clamp(later ? delay_ + step_ : delay_ - step_, least_, kMaxDelay);
    }

    Random& random_;
    std::int64_t delay_;
    std::int64_t step_;
    std::int64_t least_ = 0;
    bool later_ = true;
};

}  // namespace test
