// SPDX-License-Identifier: MIT
// What this CPU offers, and what of it is used, and where it stands. CPUID is asked only here, once (boot.S and trampoline.S ask
// it for long mode and for the APIC id).
#pragma once
#include <cstdint>
#include <string_view>

#include "core/topology.hpp"

namespace cox::arch {

struct Features {
    bool nx, smep, smap, umip, huge_pages, hypervisor, x2apic, tsc_deadline, rdrand;
    bool xsave;     // with AVX: what arch/fpu.hpp saves
    bool xsaveopt;  // never without xsave
    // Quirk `pvm`: `syscall` does not enter the kernel, but faults in user mode on the address in LSTAR.
    bool syscall_faults;
    std::uint64_t tsc_hz_by_cpuid;  // 0: not told
};

extern Features features;

// Fills `features`. Returns what is missing and essential, or nullptr.
const char* detect_features();

// What the boot arguments say. `without`: names of features, separated by commas, that are treated as missing: smep smap
// umip huge_pages x2apic tsc_deadline xsave. `quirk`: `pvm`, for a host whose KVM runs user mode natively but interprets kernel
// mode (docs/boot.md). Returns what was not understood, or an empty view.
std::string_view adjust_features(std::string_view without, std::string_view quirk);

// Turns on, on this CPU, what `features` has: NX, SMEP, SMAP, UMIP, SSE, XSAVE with AVX, write protection.
void enable_features();

// Of the executing CPU.
core::CpuPlace cpu_place();

}  // namespace cox::arch
