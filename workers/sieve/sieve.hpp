// SPDX-License-Identifier: MIT
//
// The segmented sieve of Eratosthenes over one share of a plan. Odd numbers only, one byte each: under an
// emulator a plain store is far cheaper than the read, mask and write of a bit, and it needs no population
// count.
//
//     prepare()  base primes up to sqrt(hi), their positions, the pattern of the smallest primes; touches all
//     memory run()      the timed part: no system call, no division by a prime, nothing shared
//
// The number 1 is no prime and the number 2 is not odd, so the byte of 1 stands for 2.
// About 140 KiB: an object of static storage duration. May be used again.
#pragma once

#include "sieve/plan.hpp"
#include "sieve/tally.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cox::sieve {

class Sieve {
public:
    void prepare(const Plan& plan, std::uint32_t share);
    [[nodiscard]] Tally run();

private:
    friend struct SieveSpoiler;  // negative controls, sieve/spoiler.hpp

    // 3, 5, 7, 11 and 13 strike by copying a pattern of their product's length; the others one by one.
    static constexpr std::uint32_t kPatternPrimes[] = {3, 5, 7, 11, 13};
    static constexpr std::uint32_t kPatternBytes = 3 * 5 * 7 * 11 * 13;
    static constexpr std::uint32_t kFirstBasePrime = 17;
    static constexpr std::size_t kMaxBasePrimes = 6542 - 6;  // below 2^16, without 2 and the pattern's
    static constexpr std::size_t kSink = kSegmentBytes;      // a byte behind the segment that nobody reads

    struct BasePrime {
        std::uint16_t prime;
        std::uint16_t next;  // its first odd multiple in the next segment, as an index of bytes; below prime
        std::uint16_t step;  // by how much the way to the share's next segment lowers that, modulo prime
        std::uint16_t strikes;  // how many multiples every segment has at least
    };

    void find_base_primes(std::uint32_t root);
    void place_base_primes(std::uint64_t first_byte, std::uint64_t stride);
    void make_pattern();

    void copy_pattern(std::uint32_t offset);
    void strike();
    void restore_small_primes(std::uint64_t first_byte);
    void mask(std::uint64_t first_byte);

    [[nodiscard]] std::span<std::uint8_t> segment() { return {segment_.data(), segment_bytes_}; }

    Range range_{};
    std::uint64_t first_byte_ = 0;  // of the share's first segment; byte b stands for the number 2 b + 1
    std::uint64_t stride_ = 0;      // bytes from one segment of the share to its next
    std::uint32_t rounds_ = 0;
    std::uint32_t segment_bytes_ = 0;
    std::size_t base_primes_ = 0;
    std::array<BasePrime, kMaxBasePrimes> primes_{};
    alignas(64) std::array<std::uint8_t, kSegmentBytes + 64> segment_{};
    alignas(64) std::array<std::uint8_t, kPatternBytes + kSegmentBytes + 64> pattern_{};
};

}  // namespace cox::sieve
