// SPDX-License-Identifier: MIT
//
// Load: threads of the domain that are always there, of two kinds. Some spin. Others are pairs that wake each
// other in turn, so that a single lost wake stops a pair for good.
#pragma once

#include "support/crew.hpp"

#include <array>
#include <cstdint>

namespace test {

class Load {
public:
    // For each CPU, so many spinning threads and pairs; all started.
    Load(Case& t, std::uint32_t spinning, std::uint32_t pairs, cap::SchedDomain domain = {});

    // Every thread comes to run, and every pair exchanges wakes, again.
    [[nodiscard]] bool all_progress();
    // In each pair, the one that began has answered as often as the other, or once more.
    [[nodiscard]] bool pairs_in_step();
    // Says of the first that does not: line, state, CPU, cause.
    void fail_with_who_stands_still();

    [[nodiscard]] Crew& crew() { return crew_; }

private:
    [[nodiscard]] std::uint64_t progress_of(const Worker& worker) const;

    Case& t_;
    Crew crew_;
    std::array<std::uint64_t, Crew::kMaxWorkers> before_{};
};

}  // namespace test
