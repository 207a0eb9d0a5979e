// SPDX-License-Identifier: MIT
#include "fault.hpp"

#include "core/command_line.hpp"

namespace sched {

std::optional<FaultPlan> parse_fault(std::string_view text) {
    constexpr std::string_view kExitAfter = "exit_after=";
    constexpr std::string_view kDropWake = "drop_wake=";
    if (text == "ignore") {
        return FaultPlan{.ignore = true};
    }
    if (text.starts_with(kExitAfter)) {
        const auto commits = cox::core::parse_u64(text.substr(kExitAfter.size()));
        if (commits && *commits != 0) {
            return FaultPlan{.exit_after = *commits};
        }
    }
    if (text.starts_with(kDropWake)) {
        const auto number = cox::core::parse_u64(text.substr(kDropWake.size()));
        if (number && *number != 0) {
            return FaultPlan{.drop_wake = *number};
        }
    }
    return std::nullopt;
}

bool Fault::forgets(cox::abi::ThreadWord word) {
    const bool woken =
        word.state() == cox::abi::ThreadState::kUnplaced && word.cause() == cox::abi::Cause::kWoken;
    // Relaxed: a count.
    return woken && wakes_.fetch_add(1, std::memory_order_relaxed) + 1 == plan_.drop_wake;
}

}  // namespace sched
