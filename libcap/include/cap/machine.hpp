// SPDX-License-Identifier: MIT
//
// Capability to the machine: its accounting, the interrupts of its devices, and switching it off.
#pragma once

#include "abi/stats.hpp"
#include "cap/capability.hpp"
#include "cap/irq.hpp"

#include <cstdint>

namespace cap {

class Machine : public Capability {
public:
    using Capability::Capability;
    [[nodiscard]] Result<abi::CpuStats> cpu_stats(std::uint32_t cpu) const;
    // The interrupt line of a device (0 to 15: an ISA interrupt), with `ports` I/O ports from `first_port` on. kBusy: somebody has it.
    [[nodiscard]] Result<Irq> irq(std::uint64_t line, std::uint16_t first_port = 0,
                                  std::uint64_t ports = 0) const;
    // Returns only if it was refused.
    [[nodiscard]] Result<void> power_off(abi::ExitCode code) const;
};

}  // namespace cap
