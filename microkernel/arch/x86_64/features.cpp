// SPDX-License-Identifier: MIT
#include "arch/features.hpp"

#include <cpuid.h>

#include <algorithm>
#include <iterator>

#include "arch/asm.hpp"
#include "arch/fpu.hpp"

namespace cox::arch {

Features features;

namespace {

constexpr std::uint32_t kMsrEfer = 0xc0000080;
constexpr std::uint64_t kEferSyscall = 1, kEferNx = 1 << 11;
constexpr std::uint64_t kCr0Monitor = 1 << 1, kCr0Emulate = 1 << 2, kCr0Task = 1 << 3,
                        kCr0NumericError = 1 << 5, kCr0WriteProtect = 1 << 16;
constexpr std::uint64_t kCr4Fxsr = 1 << 9, kCr4XmmExceptions = 1 << 10, kCr4Umip = 1 << 11,
                        kCr4Smep = 1 << 20, kCr4Smap = 1 << 21, kCr4Global = 1 << 7, kCr4Xsave = 1 << 18;

using Registers = core::CpuidRegisters;

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    Registers r{};
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

// Leaf 0x15 gives the TSC's ratio to a crystal; leaf 0x40000010 is the hypervisors' convention (kHz).
std::uint64_t tsc_hz_by_cpuid(std::uint32_t max_leaf, bool hypervisor) {
    if (hypervisor && cpuid(0x40000000).eax >= 0x40000010) {
        if (auto khz = cpuid(0x40000010).eax) return std::uint64_t{khz} * 1000;
    }
    if (max_leaf >= 0x15) {
        auto r = cpuid(0x15);
        if (r.eax && r.ebx && r.ecx) return std::uint64_t{r.ecx} * r.ebx / r.eax;
    }
    return 0;
}

// XSAVE, and with it all that is in kXcr0, lying as FpuState has it.
bool xsave_usable(std::uint32_t max_leaf, std::uint32_t basic_ecx) {
    if (max_leaf < 0xd || !(basic_ecx & 1 << 26) || !(basic_ecx & 1 << 28)) return false;
    const auto avx = cpuid(0xd, 2);
    return (cpuid(0xd).eax & FpuState::kXcr0) == FpuState::kXcr0 && avx.ebx == 576 && avx.eax == 256;
}

}  // namespace

const char* detect_features() {
    const auto max_leaf = cpuid(0).eax;
    const auto basic = cpuid(1);
    const auto extended = cpuid(0x80000001);
    if (!(basic.edx & 1 << 9)) return "no local APIC";
    if (!(basic.edx & 1 << 4)) return "no time-stamp counter";
    if (!(basic.edx & 1 << 24)) return "no FXSAVE";
    if (!(extended.edx & 1 << 11)) return "no SYSCALL";
    const auto structured = max_leaf >= 7 ? cpuid(7) : Registers{};
    features.nx = extended.edx & 1 << 20;
    features.huge_pages = extended.edx & 1 << 26;
    features.hypervisor = basic.ecx >> 31;
    features.x2apic = basic.ecx & 1 << 21;
    features.tsc_deadline = basic.ecx & 1 << 24;
    features.rdrand = basic.ecx & 1 << 30;
    features.smep = structured.ebx & 1 << 7;
    features.smap = structured.ebx & 1 << 20;
    features.umip = structured.ecx & 1 << 2;
    features.xsave = xsave_usable(max_leaf, basic.ecx);
    features.xsaveopt = features.xsave && cpuid(0xd, 1).eax & 1;
    features.tsc_hz_by_cpuid = tsc_hz_by_cpuid(max_leaf, features.hypervisor);
    return nullptr;
}

std::string_view adjust_features(std::string_view without, std::string_view quirk) {
    const struct {
        std::string_view name;
        bool& present;
    } known[] = {{"smep", features.smep},     {"smap", features.smap},
                 {"umip", features.umip},     {"huge_pages", features.huge_pages},
                 {"x2apic", features.x2apic}, {"tsc_deadline", features.tsc_deadline},
                 {"xsave", features.xsave}};
    while (!without.empty()) {
        const auto name = without.substr(0, without.find(','));
        const auto* const found =
            std::ranges::find_if(known, [name](const auto& each) { return each.name == name; });
        if (found == std::end(known)) return name;
        found->present = false;
        without.remove_prefix(std::min(without.size(), name.size() + 1));
    }
    if (quirk == "pvm") {
        features.syscall_faults = true;
        features.smap = features.xsave = false;  // that interpreter knows no stac and clac, and no xsave
        quirk = {};
    }
    features.xsaveopt &= features.xsave;
    return quirk;
}

void enable_features() {
    write_msr(kMsrEfer, read_msr(kMsrEfer) | kEferSyscall | (features.nx ? kEferNx : 0));
    write_cr0((read_cr0() & ~(kCr0Emulate | kCr0Task)) | kCr0Monitor | kCr0NumericError | kCr0WriteProtect);
    write_cr4(read_cr4() | kCr4Fxsr | kCr4XmmExceptions | kCr4Global | (features.umip ? kCr4Umip : 0) |
              (features.smep ? kCr4Smep : 0) | (features.smap ? kCr4Smap : 0) |
              (features.xsave ? kCr4Xsave : 0));
    if (features.xsave) write_xcr0(FpuState::kXcr0);
}

core::CpuPlace cpu_place() { return core::read_place(cpuid); }

}  // namespace cox::arch
