// SPDX-License-Identifier: MIT
// What this CPU offers. CPUID is asked once, and only here (boot.S and trampoline.S
// ask it for long mode and for the APIC id).
#pragma once
#include <cstdint>

namespace cox::arch {

struct Features {
    bool nx, smep, smap, umip, huge_pages, hypervisor;
    std::uint64_t tsc_hz_by_cpuid;  // 0: not told
};

extern Features features;

// Fills `features`. Returns what is missing and essential, or nullptr.
const char* detect_features();

// Turns on, on this CPU, what `features` has: NX, SMEP, SMAP, UMIP, SSE, write protection.
void enable_features();

}  // namespace cox::arch
