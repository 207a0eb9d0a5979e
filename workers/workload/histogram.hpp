// SPDX-License-Identifier: MIT
//
// Histogram: how often each value occurred, in fixed memory, whatever the values. Pure.
//
// Values below 64 have a bucket each, and each power of two above is cut into 64 equal ones, so that a quantile is at most
// 1/64 too high. The largest value is kept exactly. Not for use by several threads at once: one each, then merge().
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace workload {

class Histogram {
public:
    constexpr void add(std::uint64_t value) {
        ++buckets_[bucket_of(value)];
        ++count_;
        max_ = std::max(max_, value);
    }
    constexpr void merge(const Histogram& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) {
            buckets_[i] += other.buckets_[i];
        }
        count_ += other.count_;
        max_ = std::max(max_, other.max_);
    }

    [[nodiscard]] constexpr std::uint64_t count() const { return count_; }
    [[nodiscard]] constexpr std::uint64_t max() const { return max_; }

    // The smallest bucket's end that `per_mille` thousandths of all values do not exceed; 0 if there are none.
    [[nodiscard]] constexpr std::uint64_t quantile(std::uint64_t per_mille) const {
        const std::uint64_t rank = std::max<std::uint64_t>((count_ * per_mille + 999) / 1000, 1);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < kBuckets && count_ != 0; ++i) {
            seen += buckets_[i];
            if (seen >= rank) {
                return std::min(end_of(i), max_);
            }
        }
        return max_;
    }

private:
    static constexpr unsigned kCutBits = 6;
    static constexpr std::size_t kCuts = std::size_t{1} << kCutBits;
    static constexpr std::size_t kBuckets = kCuts + (64 - kCutBits) * kCuts;

    static constexpr std::size_t bucket_of(std::uint64_t value) {
        if (value < kCuts) {
            return value;
        }
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kCutBits;
        return kCuts + shift * kCuts + (value >> shift & (kCuts - 1));
    }
    // The largest value in it.
    static constexpr std::uint64_t end_of(std::size_t bucket) {
        if (bucket < kCuts) {
            return bucket;
        }
        const std::size_t shift = bucket / kCuts - 1;
        const std::uint64_t first = (kCuts + bucket % kCuts) << shift;
        return first + ((std::uint64_t{1} << shift) - 1);
    }

    std::array<std::uint64_t, kBuckets> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace workload
