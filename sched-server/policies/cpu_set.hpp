// SPDX-License-Identifier: MIT
//
// CpuSet: a set of CPUs by number, up to kPolicyCpus.
#pragma once

#include "machine.hpp"

#include <array>
#include <bit>
#include <cstdint>

namespace sched {

class CpuSet {
public:
    [[nodiscard]] bool has(std::uint32_t cpu) const { return (words_[cpu / 64] >> cpu % 64 & 1) != 0; }
    void add(std::uint32_t cpu) { words_[cpu / 64] |= std::uint64_t{1} << cpu % 64; }
    void remove(std::uint32_t cpu) { words_[cpu / 64] &= ~(std::uint64_t{1} << cpu % 64); }
    [[nodiscard]] std::uint32_t count() const {
        int sum = 0;
        for (const std::uint64_t word : words_) {
            sum += std::popcount(word);
        }
        return static_cast<std::uint32_t>(sum);
    }

    // In rising order. The set may be changed meanwhile; what is added behind the current CPU within a word's 64 is not visited.
    class Iterator {
    public:
        Iterator(const CpuSet* set, std::uint32_t word)
            : set_(set), word_(word), rest_(word < kWords ? set->words_[word] : 0) {
            skip();
        }
        std::uint32_t operator*() const {
            return word_ * 64 + static_cast<std::uint32_t>(std::countr_zero(rest_));
        }
        Iterator& operator++() {
            rest_ &= rest_ - 1;
            skip();
            return *this;
        }
        friend bool operator==(const Iterator& a, const Iterator& b) {
            return a.word_ == b.word_ && a.rest_ == b.rest_;
        }

    private:
        void skip() {
            while (rest_ == 0 && word_ < kWords) {
                ++word_;
                rest_ = word_ < kWords ? set_->words_[word_] : 0;
            }
        }

        const CpuSet* set_;
        std::uint32_t word_;
        std::uint64_t rest_;
    };
    [[nodiscard]] Iterator begin() const { return {this, 0}; }
    [[nodiscard]] Iterator end() const { return {this, kWords}; }

private:
    static constexpr std::uint32_t kWords = kPolicyCpus / 64;
    std::array<std::uint64_t, kWords> words_{};
};

// The CPUs that a policy places threads on at its start.
inline CpuSet served_cpus(const Machine& machine) {
    CpuSet served;
    for (std::uint32_t cpu = 0; cpu < machine.cpus.size(); ++cpu) {
        if (machine.cpus[cpu].served) {
            served.add(cpu);
        }
    }
    return served;
}

}  // namespace sched
