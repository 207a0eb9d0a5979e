// SPDX-License-Identifier: MIT
// Bringing up the CPUs. They are numbered from 0, the boot processor first, then in the order of the ACPI table.
#pragma once
#include "core/acpi.hpp"
#include "kernel/cpu.hpp"

namespace cox {

void cpu_init_boot();  // the boot processor's own tables: from then on there is this_cpu()

// Starts the others and waits until all are there. They wait for release_cpus() before they dispatch.
void smp_start(const core::Madt& madt);
void release_cpus();

[[noreturn]] void dispatch_forever();

}  // namespace cox
