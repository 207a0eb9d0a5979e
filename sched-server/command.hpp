// SPDX-License-Identifier: MIT
//
// Command: what somebody asks of the running server, as docs/server-control.md spells it. Parsing is pure: any text gives a
// command or the line that says what is wrong. Texts in a command refer to the text that was parsed.
#pragma once

#include "policy_seat.hpp"
#include "registry.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sched {

struct Command {
    enum class Kind : std::uint8_t { kSwap, kSet, kStatistics, kDump, kPolicies, kRetire };

    Kind kind = Kind::kPolicies;
    const PolicyEntry* policy = nullptr;  // kSwap
    std::array<Setting, 16> settings;     // kSwap, kSet
    std::size_t setting_count = 0;

    [[nodiscard]] std::span<const Setting> parameters() const {
        return std::span(settings).first(setting_count);
    }
};

[[nodiscard]] std::optional<Command> parse_command(std::string_view text, cap::LineWriter& error);

// Sets all of them, or, with the error in `line`, none.
[[nodiscard]] bool set_all(Policy& policy, std::span<const Setting> settings, cap::LineWriter& line);

}  // namespace sched
