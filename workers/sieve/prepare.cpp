// SPDX-License-Identifier: MIT
//
// The sieve's untimed part. Divisions are all here.
#include "sieve/sieve.hpp"

namespace cox::sieve {

void Sieve::prepare(const Plan& plan, std::uint32_t share) {
    range_ = plan.range();
    segment_bytes_ = plan.segment_groups() * kGroupBytes;
    stride_ = std::uint64_t{segment_bytes_} * plan.workers();
    first_byte_ = plan.first_group() * kGroupBytes + std::uint64_t{share} * segment_bytes_;
    rounds_ = plan.segments_of(share);
    find_base_primes(square_root(range_.hi - 1));
    place_base_primes(first_byte_, stride_);
    make_pattern();
    segment_.fill(0);
}

// A plain sieve in the segment's memory: 2^15 odd numbers reach to 2^16, the root of kMaxHigh.
void Sieve::find_base_primes(std::uint32_t root) {
    segment_.fill(1);
    base_primes_ = 0;
    for (std::uint32_t n = 3; n <= root; n += 2) {
        if (segment_[n / 2] == 0) {
            continue;
        }
        if (n >= kFirstBasePrime) {
            primes_[base_primes_++].prime = static_cast<std::uint16_t>(n);
        }
        for (std::uint64_t multiple = std::uint64_t{n} * n; multiple <= root; multiple += 2 * n) {
            segment_[multiple / 2] = 0;
        }
    }
}

// The odd multiples of p are the bytes that leave the remainder p / 2 when divided by p.
void Sieve::place_base_primes(std::uint64_t first_byte, std::uint64_t stride) {
    for (std::size_t i = 0; i < base_primes_; ++i) {
        const std::uint32_t prime = primes_[i].prime;
        const auto behind = static_cast<std::uint32_t>(first_byte % prime);
        primes_[i].next = static_cast<std::uint16_t>((prime / 2 + prime - behind) % prime);
        primes_[i].step = static_cast<std::uint16_t>(stride % prime);
        primes_[i].strikes = static_cast<std::uint16_t>(segment_bytes_ / prime);
    }
}

void Sieve::make_pattern() {
    pattern_.fill(1);
    for (const std::uint32_t prime : kPatternPrimes) {
        for (std::size_t byte = prime / 2; byte < pattern_.size(); byte += prime) {
            pattern_[byte] = 0;
        }
    }
}

}  // namespace cox::sieve
