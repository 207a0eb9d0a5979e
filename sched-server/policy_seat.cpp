// SPDX-License-Identifier: MIT
#include "policy_seat.hpp"

#include "cap/format.hpp"

namespace sched {

Policy* PolicySeat::prepare(const PolicyEntry& entry, std::span<const Setting> settings,
                            const Machine& machine, cap::LineWriter& line) {
    Policy& policy = entry.make(storage_[1 - current_]);
    for (const Setting& setting : settings) {
        if (!set_parameter(entry.name, policy.parameters(), setting.name, setting.value, line)) {
            return nullptr;
        }
    }
    if (const std::string_view reason = policy.start(machine); !reason.empty()) {
        line.print("error: policy {}: {}", entry.name, reason);
        return nullptr;
    }
    return &policy;
}

}  // namespace sched
