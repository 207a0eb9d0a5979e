// SPDX-License-Identifier: MIT
//
// Looks policies up in known_policies(), the table that the build writes.
#include "registry.hpp"

#include "cap/format.hpp"

#include <algorithm>

namespace sched {

const PolicyEntry* find_policy(std::string_view name) {
    const std::span<const PolicyEntry> policies = known_policies();
    const auto found = std::ranges::find(policies, name, &PolicyEntry::name);
    return found != policies.end() ? &*found : nullptr;
}

void print_unknown_policy(cap::LineWriter& line, std::string_view name) {
    line.print("error: policy \"{}\" unknown; known:", name);
    for (const PolicyEntry& entry : known_policies()) {
        line.print(" {}", entry.name);
    }
}

}  // namespace sched
