// SPDX-License-Identifier: MIT
//
// A cheap mixing function on 64 bits: multiplications by odd constants spread low bits upwards, shifts bring
// them back. mix(0) is 0.
#pragma once

#include <cstdint>

namespace cox::sieve {

[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) {
    x *= 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93;  // odd, with about as many ones as zeros
    return x ^ x >> 29;
}

}  // namespace cox::sieve
