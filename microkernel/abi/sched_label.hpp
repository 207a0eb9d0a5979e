// SPDX-License-Identifier: MIT
//
// What a thread's label (ThreadParams::label) tells policies: its priority, weight, group, and for periodic work its
// period and budget. The kernel does not look at it. A label of 0 says nothing, so everything has its default.
//
//   bits 0..7 priority (0: 128), 8..19 weight (0: 100), 20..31 group, 32..47 period in 100 us, 48..63 budget in 10 us
#pragma once

#include <algorithm>
#include <cstdint>

namespace cox::abi {

struct SchedLabel {
    static constexpr std::uint64_t kPeriodUnitNs = 100'000;
    static constexpr std::uint64_t kBudgetUnitNs = 10'000;
    static constexpr std::uint32_t kDefaultPriority = 128;
    static constexpr std::uint32_t kDefaultWeight = 100;

    std::uint32_t priority = kDefaultPriority;
    std::uint32_t weight = kDefaultWeight;
    std::uint32_t group = 0;
    std::uint64_t period_ns = 0;
    std::uint64_t budget_ns = 0;

    // What does not fit is cut to the most that does; times are rounded down.
    [[nodiscard]] constexpr std::uint64_t pack() const {
        return std::uint64_t{std::min(priority, 0xffu)} | std::uint64_t{std::min(weight, 0xfffu)} << 8 |
               std::uint64_t{std::min(group, 0xfffu)} << 20 |
               std::min<std::uint64_t>(period_ns / kPeriodUnitNs, 0xffff) << 32 |
               std::min<std::uint64_t>(budget_ns / kBudgetUnitNs, 0xffff) << 48;
    }
    [[nodiscard]] static constexpr SchedLabel unpack(std::uint64_t label) {
        const auto priority = static_cast<std::uint32_t>(label & 0xff);
        const auto weight = static_cast<std::uint32_t>(label >> 8 & 0xfff);
        return {.priority = priority != 0 ? priority : kDefaultPriority,
                .weight = weight != 0 ? weight : kDefaultWeight,
                .group = static_cast<std::uint32_t>(label >> 20 & 0xfff),
                .period_ns = (label >> 32 & 0xffff) * kPeriodUnitNs,
                .budget_ns = (label >> 48) * kBudgetUnitNs};
    }
};

}  // namespace cox::abi
