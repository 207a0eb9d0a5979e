// SPDX-License-Identifier: MIT
//
// Negative controls: ways to make a sieve wrong that verification must notice. Nothing else may use this.
#pragma once

#include "sieve/sieve.hpp"

#include <cstddef>

namespace cox::sieve {

struct SieveSpoiler {
    // After prepare(): base prime number `index` strikes nothing but the odd last multiple, so composites
    // survive.
    static void forget(Sieve& sieve, std::size_t index) { sieve.primes_[index].strikes = 0; }

    // After prepare(): base prime number `index` is one place off in every segment.
    static void displace(Sieve& sieve, std::size_t index) {
        auto& base = sieve.primes_[index];
        base.next = static_cast<std::uint16_t>((base.next + 1) % base.prime);
    }
};

}  // namespace cox::sieve
