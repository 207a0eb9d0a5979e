// SPDX-License-Identifier: MIT
//
// Random: a seeded sequence, the same in every run with the seed (G. L. Steele and others' SplitMix64). Pure.
#pragma once

#include <cstdint>

namespace workload {

class Random {
public:
    constexpr explicit Random(std::uint64_t seed) : state_(seed) {}

    constexpr std::uint64_t next() {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
        return mixed ^ mixed >> 31;
    }
    // Below `bound`, which is not 0; as even as 64 bits divided by it.
    constexpr std::uint64_t below(std::uint64_t bound) { return next() % bound; }

private:
    std::uint64_t state_;
};

}  // namespace workload
