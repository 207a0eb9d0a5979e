// SPDX-License-Identifier: MIT
//
// Capability to the machine: its accounting, and switching it off.
#pragma once

#include "abi/stats.hpp"
#include "cap/capability.hpp"

#include <cstdint>

namespace cap {

class Machine : public Capability {
public:
    using Capability::Capability;
    [[nodiscard]] Result<abi::CpuStats> cpu_stats(std::uint32_t cpu) const;
    // Returns only if it was refused.
    [[nodiscard]] Result<void> power_off(abi::ExitCode code) const;
};

}  // namespace cap
