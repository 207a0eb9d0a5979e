// SPDX-License-Identifier: MIT
//
// Histogram: times in buckets no wider than a 64th of their value; percentiles are a bucket's upper end, so at most 1.6 %
// too much. Fold: a hash over numbers, in their order.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace sim {

class Histogram {
public:
    void add(std::uint64_t value) {
        ++buckets_[bucket(value)];
        ++count_;
        most_ = std::max(most_, value);
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t most() const { return most_; }
    // The value that so many thousandths of all do not exceed; 0 when there are none.
    [[nodiscard]] std::uint64_t permille(std::uint64_t share) const {
        std::uint64_t left = (count_ * share + 999) / 1000;
        for (std::uint32_t at = 0; at < kBuckets && left != 0; ++at) {
            if (buckets_[at] >= left) {
                return std::min(upper_end(at), most_);
            }
            left -= buckets_[at];
        }
        return 0;
    }

private:
    static constexpr std::uint32_t kBits = 6;
    static constexpr std::uint32_t kBuckets = (65 - kBits) << kBits;

    static std::uint32_t bucket(std::uint64_t value) {
        const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - static_cast<int>(kBits) - 1);
        return (static_cast<std::uint32_t>(shift) << kBits) + static_cast<std::uint32_t>(value >> shift);
    }
    static std::uint64_t upper_end(std::uint32_t at) {
        const std::uint32_t shift = at < 2u << kBits ? 0 : (at >> kBits) - 1;
        return ((std::uint64_t{at} - (std::uint64_t{shift} << kBits) + 1) << shift) - 1;
    }

    std::array<std::uint64_t, kBuckets> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t most_ = 0;
};

class Fold {
public:
    void add(std::uint64_t number) {
        hash_ = (hash_ ^ number) * 0x9e37'79b9'7f4a'7c15;
        hash_ ^= hash_ >> 29;
    }
    [[nodiscard]] std::uint64_t value() const { return hash_; }

private:
    std::uint64_t hash_ = 0xcbf2'9ce4'8422'2325;
};

}  // namespace sim
