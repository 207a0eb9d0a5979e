// SPDX-License-Identifier: MIT
//
// Every policy has two lines here, in alphabetical order.
#include "registry.hpp"

#include "cap/format.hpp"

#include <algorithm>
#include <array>

namespace sched {

Policy& make_chaos(PolicyStorage& storage);
Policy& make_edf(PolicyStorage& storage);
Policy& make_fair(PolicyStorage& storage);
Policy& make_fifo(PolicyStorage& storage);
Policy& make_gang(PolicyStorage& storage);
Policy& make_home(PolicyStorage& storage);
Policy& make_priority(PolicyStorage& storage);
Policy& make_round_robin(PolicyStorage& storage);
Policy& make_work_stealing(PolicyStorage& storage);

namespace {

constexpr std::array kPolicies = {
    PolicyEntry{"chaos", make_chaos},
    PolicyEntry{"edf", make_edf},
    PolicyEntry{"fair", make_fair},
    PolicyEntry{"fifo", make_fifo},
    PolicyEntry{"gang", make_gang},
    PolicyEntry{"home", make_home},
    PolicyEntry{"priority", make_priority},
    PolicyEntry{"round_robin", make_round_robin},
    PolicyEntry{"work_stealing", make_work_stealing},
};

}  // namespace

std::span<const PolicyEntry> known_policies() { return kPolicies; }

const PolicyEntry* find_policy(std::string_view name) {
    const auto found = std::ranges::find(kPolicies, name, &PolicyEntry::name);
    return found != kPolicies.end() ? &*found : nullptr;
}

void print_unknown_policy(cap::LineWriter& line, std::string_view name) {
    line.print("error: policy \"{}\" unknown; known:", name);
    for (const PolicyEntry& entry : kPolicies) {
        line.print(" {}", entry.name);
    }
}

}  // namespace sched
