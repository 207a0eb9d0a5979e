// SPDX-License-Identifier: MIT
// What policies read from a thread's label (ThreadParams::label): its attributes, packed into 64 bits.
//   bits 0..7 priority (0: unset, 128; higher is more urgent), 8..19 weight (0: unset, 100), 20..31 group (0: none),
//   bits 32..47 period in units of 100 us (0: not periodic), 48..63 budget in units of 10 us
// The kernel does not look at it.
#pragma once
#include <cstdint>

namespace cox::abi {

inline constexpr std::uint32_t kDefaultPriority = 128;
inline constexpr std::uint32_t kDefaultWeight = 100;
inline constexpr std::uint32_t kMaxPriority = 255;
inline constexpr std::uint32_t kMaxWeight = 4095;
inline constexpr std::uint32_t kMaxGroup = 4095;
inline constexpr std::uint64_t kPeriodUnitNs = 100'000;
inline constexpr std::uint64_t kBudgetUnitNs = 10'000;

struct SchedLabel {
    std::uint32_t priority = kDefaultPriority;
    std::uint32_t weight = kDefaultWeight;
    std::uint32_t group = 0;
    std::uint64_t period_ns = 0;
    std::uint64_t budget_ns = 0;
};

// What does not fit into its bits is cut off; times are rounded down to their units.
constexpr std::uint64_t pack_sched_label(const SchedLabel& label) {
    return (label.priority & 0xffu) | (std::uint64_t{label.weight} & 0xfff) << 8 |
           (std::uint64_t{label.group} & 0xfff) << 20 | (label.period_ns / kPeriodUnitNs & 0xffff) << 32 |
           (label.budget_ns / kBudgetUnitNs & 0xffff) << 48;
}

constexpr SchedLabel unpack_sched_label(std::uint64_t label) {
    const auto priority = static_cast<std::uint32_t>(label & 0xff);
    const auto weight = static_cast<std::uint32_t>(label >> 8 & 0xfff);
    return {priority != 0 ? priority : kDefaultPriority, weight != 0 ? weight : kDefaultWeight,
            static_cast<std::uint32_t>(label >> 20 & 0xfff), (label >> 32 & 0xffff) * kPeriodUnitNs,
            (label >> 48) * kBudgetUnitNs};
}

}  // namespace cox::abi
