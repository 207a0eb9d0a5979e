// SPDX-License-Identifier: MIT
#include "sieve/sieve.hpp"

namespace cox::sieve {

Tally Sieve::run() {
    Tally tally;
    std::uint64_t first_byte = first_byte_;
    auto pattern_offset = static_cast<std::uint32_t>(first_byte_ % kPatternBytes);
    const auto pattern_step = static_cast<std::uint32_t>(stride_ % kPatternBytes);
    for (std::uint32_t round = 0; round < rounds_; ++round) {
        copy_pattern(pattern_offset);
        strike();
        restore_small_primes(first_byte);
        mask(first_byte);
        tally += tally_flags(segment(), first_byte / kGroupBytes);
        first_byte += stride_;
        pattern_offset += pattern_step;
        pattern_offset -= pattern_offset < kPatternBytes ? 0 : kPatternBytes;
    }
    return tally;
}

void Sieve::copy_pattern(std::uint32_t offset) {
    // Written out, since the compiler may not assume a fast memcpy here. Whole groups, so 8 divides the
    // length.
    const std::uint8_t* from = pattern_.data() + offset;
    std::uint8_t* to = segment_.data();
    for (std::size_t i = 0; i < segment_bytes_; i += 8) {
        __builtin_memcpy(to + i, from + i, 8);
    }
}

// Every prime has `strikes` multiples in the segment and perhaps one more, which goes to the sink if it lies
// outside: a store instead of a branch that would be mispredicted for half of the primes.
void Sieve::strike() {
    std::uint8_t* const flags = segment_.data();
    const std::size_t length = segment_bytes_;
    for (std::size_t i = 0; i < base_primes_; ++i) {
        BasePrime& base = primes_[i];
        const std::size_t prime = base.prime;
        std::size_t at = base.next;
        for (std::uint32_t left = base.strikes; left != 0; --left) {
            flags[at] = 0;
            at += prime;
        }
        flags[at < length ? at : kSink] = 0;
        const std::uint32_t back = base.next < base.step ? base.prime : 0;
        base.next = static_cast<std::uint16_t>(base.next + back - base.step);
    }
}

// A prime strikes itself too, since multiples are struck from the segment's start on and not from the square.
void Sieve::restore_small_primes(std::uint64_t first_byte) {
    if (first_byte >= kSegmentBytes) {
        return;  // all base primes lie below 2^16
    }
    const auto restore = [&](std::uint64_t byte) {
        if (byte >= first_byte && byte - first_byte < segment_bytes_) {
            segment_[byte - first_byte] = 1;
        }
    };
    for (const std::uint32_t prime : kPatternPrimes) {
        restore(prime / 2);
    }
    for (std::size_t i = 0; i < base_primes_; ++i) {
        restore(primes_[i].prime / 2);
    }
}

// Clears what lies in the first and the last segment but not in the range.
void Sieve::mask(std::uint64_t first_byte) {
    for (std::uint64_t byte = first_byte; 2 * byte + 1 < range_.lo; ++byte) {
        segment_[byte - first_byte] = 0;
    }
    if (first_byte == 0) {
        segment_[0] = range_.lo <= 2 && range_.hi > 2;
    }
    for (std::uint64_t byte = first_byte + segment_bytes_; byte > first_byte && 2 * byte - 1 >= range_.hi;
         --byte) {
        segment_[byte - 1 - first_byte] = 0;
    }
}

}  // namespace cox::sieve
