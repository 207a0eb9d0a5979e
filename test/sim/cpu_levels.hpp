// SPDX-License-Identifier: MIT
//
// CpuLevels: CpuLoad of the server (sched-server/cpu_load.hpp) for as many CPUs as a simulation has: how many threads
// are placed at each, with a set of CPUs per level.
#pragma once

#include "cpu_load.hpp"
#include "machine.hpp"

#include <array>
#include <bit>
#include <cstdint>

namespace sim {

class CpuSet {
    static constexpr std::uint32_t kWords = sched::kPolicyCpus / 64;

public:
    void add(std::uint32_t cpu) { words_[cpu / 64] |= std::uint64_t{1} << cpu % 64; }
    void remove(std::uint32_t cpu) { words_[cpu / 64] &= ~(std::uint64_t{1} << cpu % 64); }
    [[nodiscard]] bool contains(std::uint32_t cpu) const { return (words_[cpu / 64] >> cpu % 64 & 1) != 0; }
    [[nodiscard]] bool empty() const { return words_ == std::array<std::uint64_t, kWords>{}; }

    // Calls visit(cpu) for each CPU, from `first` on and round to it, until it returns false. What changes behind the
    // place that has been reached counts.
    template <class Visit>
    bool for_each(std::uint32_t first, Visit visit) const {
        const std::uint64_t from_first = ~std::uint64_t{0} << first % 64;
        for (std::uint32_t step = 0; step <= kWords; ++step) {
            const std::uint32_t at = (first / 64 + step) % kWords;
            const std::uint64_t part = step == 0        ? from_first
                                       : step == kWords ? ~from_first
                                                        : ~std::uint64_t{0};
            for (std::uint64_t rest = words_[at] & part; rest != 0; rest &= rest - 1) {
                if (!visit(at * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)))) {
                    return false;
                }
            }
        }
        return true;
    }

private:
    std::array<std::uint64_t, kWords> words_{};
};

class CpuLevels {
public:
    static constexpr std::uint32_t kLevels = sched::CpuLoad::kLevels;

    explicit CpuLevels(std::uint32_t cpus) : count_(cpus) {
        for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
            all_.add(cpu);
            for (CpuSet& level : at_most_) {
                level.add(cpu);
            }
        }
    }

    [[nodiscard]] std::uint32_t cpus() const { return count_; }
    [[nodiscard]] std::uint32_t count(std::uint32_t cpu) const { return counts_[cpu]; }
    [[nodiscard]] bool any_with_two() const { return with_two_ != 0; }
    // The CPUs with fewer than `level` threads, 1 <= level <= kLevels; and those with two and more.
    [[nodiscard]] const CpuSet& below(std::uint32_t level) const { return at_most_[level - 1]; }
    [[nodiscard]] const CpuSet& two() const { return two_; }
    [[nodiscard]] const CpuSet& all() const { return all_; }

    void add(std::uint32_t cpu) {
        const std::uint32_t count = counts_[cpu]++;
        if (count < kLevels) {
            at_most_[count].remove(cpu);
        }
        if (count == 1) {
            two_.add(cpu);
            ++with_two_;
        }
    }
    void subtract(std::uint32_t cpu) {
        const std::uint32_t count = --counts_[cpu];
        if (count < kLevels) {
            at_most_[count].add(cpu);
        }
        if (count == 1) {
            two_.remove(cpu);
            --with_two_;
        }
    }

private:
    std::uint32_t count_;
    std::uint32_t with_two_ = 0;
    std::array<std::uint32_t, sched::kPolicyCpus> counts_{};
    std::array<CpuSet, kLevels> at_most_;  // [n]: those with at most n
    CpuSet two_, all_;
};

}  // namespace sim
