// SPDX-License-Identifier: MIT
//
// How a range [lo, hi) is split over W workers. Pure and decided before the start; nobody takes work from
// anybody.
//
//     segment   0  1  2  3 | 4  5  6  7 | 8  9 10 11 |      W = 4: dealt like cards, one to each share per
//     round share     0  1  2  3 | 0  1  2  3 | 0  1  2  3 |
//
// Segments are of equal length, at most kSegmentNumbers, and begin at multiples of kGroupNumbers. Their
// number is a multiple of W as nearly as that grain allows, so the length depends on W, but what is covered
// does not.
//
// Cost model: the sieve strikes every base prime in every segment, also those whose square lies above it.
// That wastes a few per cent and makes all segments cost the same wherever they lie: a term for the length
// and one for each base prime. A share costs the sum of its segments.
#pragma once

#include <cstdint>

namespace cox::sieve {

struct Range {
    std::uint64_t lo;
    std::uint64_t hi;  // exclusive
};

inline constexpr std::uint32_t kGroupNumbers = 256;        // 128 odd numbers
inline constexpr std::uint32_t kSegmentBytes = 32 * 1024;  // one byte for each odd number
inline constexpr std::uint32_t kSegmentNumbers = 2 * kSegmentBytes;
inline constexpr std::uint32_t kMaxWorkers = 64;
inline constexpr std::uint64_t kMaxHigh = std::uint64_t{1} << 32;

class Plan {
public:
    // lo < hi <= kMaxHigh; 1 <= workers <= kMaxWorkers.
    constexpr Plan(Range range, std::uint32_t workers) : range_(range), workers_(workers) {
        const std::uint64_t groups = (range.hi + kGroupNumbers - 1) / kGroupNumbers - first_group();
        const std::uint64_t rounds =
            divide_up(groups, std::uint64_t{workers} * (kSegmentNumbers / kGroupNumbers));
        segment_groups_ = static_cast<std::uint32_t>(divide_up(groups, rounds * workers));
        segments_ = static_cast<std::uint32_t>(divide_up(groups, segment_groups_));
    }

    [[nodiscard]] constexpr Range range() const { return range_; }
    [[nodiscard]] constexpr std::uint32_t workers() const { return workers_; }
    [[nodiscard]] constexpr std::uint32_t segments() const { return segments_; }
    [[nodiscard]] constexpr std::uint32_t segment_groups() const { return segment_groups_; }
    [[nodiscard]] constexpr std::uint64_t first_group() const { return range_.lo / kGroupNumbers; }

    // The segments of share s are s, s + W, s + 2W, ...
    [[nodiscard]] constexpr std::uint32_t segments_of(std::uint32_t share) const {
        return share < segments_ ? (segments_ - share - 1) / workers_ + 1 : 0;
    }

    // In quarters of a strike, about: kByteCost for each odd number, kPrimeCost for each base prime.
    [[nodiscard]] constexpr std::uint64_t cost_of(std::uint32_t share) const {
        return segments_of(share) * segment_cost();
    }
    [[nodiscard]] constexpr std::uint64_t total_cost() const { return segments_ * segment_cost(); }
    [[nodiscard]] constexpr std::uint64_t largest_cost() const { return cost_of(0); }

private:
    static constexpr std::uint64_t kByteCost = 6;
    static constexpr std::uint64_t kPrimeCost = 12;

    static constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }
    [[nodiscard]] constexpr std::uint64_t segment_cost() const;

    Range range_;
    std::uint32_t workers_;
    std::uint32_t segment_groups_ = 0;
    std::uint32_t segments_ = 0;
};

[[nodiscard]] constexpr std::uint32_t square_root(std::uint64_t n) {  // rounded down
    std::uint64_t root = 0;
    for (std::uint64_t bit = std::uint64_t{1} << 31; bit != 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= n) {
            root |= bit;
        }
    }
    return static_cast<std::uint32_t>(root);
}

constexpr std::uint64_t Plan::segment_cost() const {
    // x / (ln x - 1), within a tenth of the number of primes below x; ln x is 0.69 times the bits of x.
    const std::uint64_t root = square_root(range_.hi) + 32;
    const auto bits = static_cast<std::uint64_t>(64 - __builtin_clzll(root));
    const std::uint64_t base_primes = root * 16 / (11 * bits - 16);
    return std::uint64_t{segment_groups_} * (kGroupNumbers / 2) * kByteCost + base_primes * kPrimeCost;
}

// The speedup that this split allows at most over one worker, in thousandths. (One worker may waste more of
// its last segment, which no split can be credited with.)
[[nodiscard]] constexpr std::uint64_t ideal_speedup_milli(Range range, std::uint32_t workers) {
    const std::uint64_t ratio = Plan(range, 1).total_cost() * 1000 / Plan(range, workers).largest_cost();
    return ratio < workers * 1000 ? ratio : workers * 1000;
}

// Which share worker `worker` gets: a permutation chosen by `seed`; 0 is the identity. Results do not depend
// on it.
[[nodiscard]] std::uint32_t share_of(std::uint32_t worker, std::uint32_t workers, std::uint64_t seed);

}  // namespace cox::sieve
