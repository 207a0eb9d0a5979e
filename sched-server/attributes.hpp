// SPDX-License-Identifier: MIT
//
// Attributes: what a thread's label (abi/sched_label.hpp) means to a policy: what is unset has its default, and times are in ns.
#pragma once

#include "abi/sched_label.hpp"

#include <algorithm>
#include <cstdint>

namespace sched {

struct Attributes {
    using Label = cox::abi::SchedLabel;

    std::uint32_t priority = Label::kDefaultPriority;
    std::uint32_t weight = Label::kDefaultWeight;
    std::uint32_t group = 0;      // 0: none
    std::uint64_t period_ns = 0;  // 0: not periodic
    std::uint64_t budget_ns = 0;

    // Any 64 bits are a label.
    [[nodiscard]] static constexpr Attributes of(std::uint64_t label) {
        const Label read = Label::unpack(label);
        return {.priority = read.effective_priority(),
                .weight = read.effective_weight(),
                .group = read.group,
                .period_ns = std::uint64_t{read.period_us} * 1000,
                .budget_ns = std::uint64_t{read.budget_us} * 1000};
    }

    // The other way, for tests and simulations. What does not fit is cut to the most that does; times are rounded down.
    [[nodiscard]] constexpr std::uint64_t label() const {
        const auto in_units = [](std::uint64_t ns, std::uint32_t unit_us, std::uint32_t most_us) {
            const std::uint64_t us = std::min<std::uint64_t>(ns / 1000, most_us);
            return static_cast<std::uint32_t>(us / unit_us * unit_us);
        };
        return Label{.priority = std::min(priority, Label::kMaxPriority),
                     .weight = std::min(weight, Label::kMaxWeight),
                     .group = std::min(group, Label::kMaxGroup),
                     .period_us = in_units(period_ns, Label::kPeriodUnitUs, Label::kMaxPeriodUs),
                     .budget_us = in_units(budget_ns, Label::kBudgetUnitUs, Label::kMaxBudgetUs)}
            .pack();
    }
};

}  // namespace sched
