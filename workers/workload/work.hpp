// SPDX-License-Identifier: MIT
//
// Work that cannot be left out unnoticed: `steps` steps of a linear congruential generator, one after the other, whose
// outcome is also known in logarithmic time. So every thread's work is checked by a calculation that does not repeat it. Pure.
#pragma once

#include <cstdint>

namespace workload {

inline constexpr std::uint64_t kMultiplier = 6364136223846793005;  // D. E. Knuth's MMIX
inline constexpr std::uint64_t kIncrement = 1442695040888963407;

// What the steps make of `state`, by doing them. A step is a multiplication that waits for the one before it.
inline std::uint64_t work(std::uint64_t state, std::uint64_t steps) {
    for (; steps != 0; --steps) {
        state = state * kMultiplier + kIncrement;
        asm volatile("" : "+r"(state));  // step by step
    }
    return state;
}

// The same by squaring: n steps are one step of other constants.
[[nodiscard]] constexpr std::uint64_t outcome(std::uint64_t state, std::uint64_t steps) {
    std::uint64_t multiplier = 1;
    std::uint64_t increment = 0;
    std::uint64_t power = kMultiplier;
    std::uint64_t plus = kIncrement;
    for (; steps != 0; steps >>= 1) {
        if ((steps & 1) != 0) {
            multiplier *= power;
            increment = increment * power + plus;
        }
        plus *= power + 1;
        power *= power;
    }
    return state * multiplier + increment;
}
static_assert(outcome(5, 2) == (5 * kMultiplier + kIncrement) * kMultiplier + kIncrement);

}  // namespace workload
