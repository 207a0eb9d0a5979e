// SPDX-License-Identifier: MIT
#include "parameter.hpp"

#include "cap/format.hpp"
#include "core/command_line.hpp"

#include <algorithm>

namespace sched {

bool set_parameter(std::string_view policy, std::span<const Parameter> known, std::string_view name,
                   std::string_view text, cap::LineWriter& line) {
    const auto found = std::ranges::find(known, name, &Parameter::name);
    if (found == known.end()) {
        line.print("error: policy {} has no parameter \"{}\"; known:", policy, name);
        for (const Parameter& parameter : known) {
            line.print(" {}", parameter.name);
        }
        line.print("{}", known.empty() ? " none" : "");
        return false;
    }
    const auto value = cox::core::parse_u64(text);
    if (!value || *value < found->least || *value > found->most) {
        line.print("error: parameter {}={} is not a number from {} to {}", name, text, found->least,
                   found->most);
        return false;
    }
    *found->value = *value;
    return true;
}

}  // namespace sched
