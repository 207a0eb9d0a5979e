// SPDX-License-Identifier: MIT
//
// What is known about a set of primes: how many, their sum, and a checksum, the last two modulo 2^64. All
// three are sums over the primes, so tallies of disjoint sets add up in any order. The checksum is
//
//     sum over p of  p + mix(p / 256)
//
// so that primes that were mistaken for others are noticed even if their number and their sum are right.
#pragma once

#include "sieve/mix.hpp"
#include "sieve/plan.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace cox::sieve {

struct Tally {
    std::uint64_t count = 0;
    std::uint64_t sum = 0;
    std::uint64_t checksum = 0;

    constexpr Tally& operator+=(const Tally& other) {
        count += other.count;
        sum += other.sum;
        checksum += other.checksum;
        return *this;
    }
    friend constexpr bool operator==(const Tally&, const Tally&) = default;
};

[[nodiscard]] constexpr std::uint64_t checksum_of_prime(std::uint64_t p) {
    return p + mix(p / kGroupNumbers);
}

inline constexpr std::size_t kGroupBytes = kGroupNumbers / 2;

// `flags`: whole groups, at most kSegmentBytes; byte i is 1 if the number 256 * first_group + 2 * i + 1
// counts as prime, else 0. No branch depends on the flags. The number 1 counts as the number 2 (sieve.hpp).
[[nodiscard]] Tally tally_flags(std::span<const std::uint8_t> flags, std::uint64_t first_group);

}  // namespace cox::sieve
