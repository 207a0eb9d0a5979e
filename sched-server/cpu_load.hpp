// SPDX-License-Identifier: MIT
//
// CpuLoad: how many threads are placed at each CPU, with a mask per level, so that the CPUs that lack
// threads, or have some to spare, are found without looking at all of them. Counts at and above kLevels are
// exact; only the masks stop there.
#pragma once

#include "abi/types.hpp"

#include <array>
#include <cstdint>

namespace sched {

class CpuLoad {
public:
    static constexpr std::uint32_t kLevels = 8;

    explicit CpuLoad(std::uint64_t cpus) : cpus_(cpus) { at_most_.fill(~std::uint64_t{0}); }

    [[nodiscard]] std::uint64_t cpus() const { return cpus_; }
    [[nodiscard]] bool has(std::uint32_t cpu) const { return (cpus_ >> cpu & 1) != 0; }
    [[nodiscard]] std::uint32_t count(std::uint32_t cpu) const { return counts_[cpu]; }

    // The CPUs with fewer than `level` threads, 1 <= level <= kLevels.
    [[nodiscard]] std::uint64_t below(std::uint32_t level) const { return at_most_[level - 1] & cpus_; }
    [[nodiscard]] std::uint64_t at_least(std::uint32_t level) const { return ~at_most_[level - 1] & cpus_; }

    void add(std::uint32_t cpu) {
        if (counts_[cpu] < kLevels) {
            at_most_[counts_[cpu]] &= ~(std::uint64_t{1} << cpu);
        }
        ++counts_[cpu];
    }
    void subtract(std::uint32_t cpu) {
        --counts_[cpu];
        if (counts_[cpu] < kLevels) {
            at_most_[counts_[cpu]] |= std::uint64_t{1} << cpu;
        }
    }
    // Nothing more is placed there.
    void give_up(std::uint32_t cpu) { cpus_ &= ~(std::uint64_t{1} << cpu); }
    void take_back(std::uint32_t cpu) { cpus_ |= std::uint64_t{1} << cpu; }

private:
    std::uint64_t cpus_;
    std::array<std::uint64_t, kLevels> at_most_{};  // [n]: bit c: CPU c has at most n threads
    std::array<std::uint32_t, cox::abi::kMaxCpus> counts_{};
};

}  // namespace sched
