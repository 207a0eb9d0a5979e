// SPDX-License-Identifier: MIT
//
// What a thread's creator tells a scheduling policy about it, packed into ThreadParams::label. The kernel only hands it on;
// a policy reads from it what concerns it. docs/scheduling.md, "Labels", says what each attribute means.
//
//     63        48 47        32 31     20 19      8 7        0
//     | budget    | period     | group   | weight  | priority |        0 in a field: unset
//       10 us       100 us
#pragma once
#include <cstdint>

namespace cox::abi {

struct SchedLabel {
    std::uint32_t priority = 0;   // 1 to 255, the higher the more urgent; unset counts as 128
    std::uint32_t weight = 0;     // 1 to 4095, its share of CPU time beside others'; unset counts as 100
    std::uint32_t group = 0;      // 1 to 4095, the gang that it runs with
    std::uint32_t period_us = 0;  // of a periodic thread: a multiple of 100, at most kMaxPeriodUs
    std::uint32_t budget_us = 0;  // what it needs in each period: a multiple of 10, at most kMaxBudgetUs

    static constexpr std::uint32_t kMaxPriority = 255, kDefaultPriority = 128;
    static constexpr std::uint32_t kMaxWeight = 4095, kDefaultWeight = 100;
    static constexpr std::uint32_t kMaxGroup = 4095;
    static constexpr std::uint32_t kPeriodUnitUs = 100, kMaxPeriodUs = 65535 * kPeriodUnitUs;
    static constexpr std::uint32_t kBudgetUnitUs = 10, kMaxBudgetUs = 65535 * kBudgetUnitUs;

    // Every attribute is one that a label can hold exactly.
    [[nodiscard]] constexpr bool fits() const {
        return priority <= kMaxPriority && weight <= kMaxWeight && group <= kMaxGroup &&
               period_us <= kMaxPeriodUs && period_us % kPeriodUnitUs == 0 && budget_us <= kMaxBudgetUs &&
               budget_us % kBudgetUnitUs == 0;
    }
    // Of what fits().
    [[nodiscard]] constexpr std::uint64_t pack() const {
        return std::uint64_t{budget_us / kBudgetUnitUs} << 48 |
               std::uint64_t{period_us / kPeriodUnitUs} << 32 | std::uint64_t{group} << 20 |
               std::uint64_t{weight} << 8 | priority;
    }
    // Any 64 bits are a label.
    [[nodiscard]] static constexpr SchedLabel unpack(std::uint64_t label) {
        const auto field = [label](unsigned shift, std::uint64_t mask) {
            return static_cast<std::uint32_t>(label >> shift & mask);
        };
        return {.priority = field(0, 0xff),
                .weight = field(8, 0xfff),
                .group = field(20, 0xfff),
                .period_us = field(32, 0xffff) * kPeriodUnitUs,
                .budget_us = field(48, 0xffff) * kBudgetUnitUs};
    }

    [[nodiscard]] constexpr std::uint32_t effective_priority() const {
        return priority != 0 ? priority : kDefaultPriority;
    }
    [[nodiscard]] constexpr std::uint32_t effective_weight() const {
        return weight != 0 ? weight : kDefaultWeight;
    }
    [[nodiscard]] constexpr bool periodic() const { return period_us != 0; }

    friend constexpr bool operator==(const SchedLabel&, const SchedLabel&) = default;
};
static_assert(SchedLabel::unpack(~std::uint64_t{0}).pack() == ~std::uint64_t{0});

}  // namespace cox::abi
