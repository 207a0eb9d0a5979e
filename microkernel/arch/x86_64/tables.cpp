// SPDX-License-Identifier: MIT
#include "arch/tables.hpp"

#include "arch/asm.hpp"
#include "arch/paging.hpp"

extern "C" char trap_stubs[], syscall_entry[];

namespace cox::arch {

namespace {

constexpr std::uint32_t kMsrStar = 0xc0000081, kMsrLstar = 0xc0000082, kMsrFmask = 0xc0000084;
constexpr std::uint32_t kMsrFsBase = 0xc0000100, kMsrGsBase = 0xc0000101, kMsrKernelGsBase = 0xc0000102;
// All but the one that is always set: IF, TF, DF, AC, NT, ...
constexpr std::uint64_t kFlagsCleared = 0x257fd5;

struct Gate {
    std::uint64_t low, high;
};
alignas(16) Gate idt[256];

struct [[gnu::packed]] Pointer {
    std::uint16_t limit;
    std::uint64_t base;
};

// As a gate names it: from 1 on; 0 is none.
unsigned ist_of(unsigned vector) {
    const auto named = [](Ist ist) { return static_cast<unsigned>(ist) + 1; };
    switch (vector) {
        case 1: return named(Ist::kDebug);
        case 2: return named(Ist::kNmi);
        case 8: return named(Ist::kDoubleFault);
        case 18: return named(Ist::kMachineCheck);
        default: return 0;
    }
}

}  // namespace

void build_idt() {
    for (unsigned v = 0; v < 256; ++v) {
        const auto target = reinterpret_cast<std::uint64_t>(trap_stubs) + v * 16;
        const std::uint64_t kind = 0x8e00;  // interrupt gate, present; users cannot call any
        idt[v].low = (target & 0xffff) | std::uint64_t{KERNEL_CODE} << 16 | std::uint64_t{ist_of(v)} << 32 |
                     kind << 32 | (target >> 16 & 0xffff) << 48;
        idt[v].high = target >> 32;
    }
}

void CpuTables::load(void* cpu, unsigned number) {
    task = {};
    task.io_map_base = sizeof task;
    for (unsigned i = 0; i < kIstStacks; ++i) task.ist[i] = ist_stack_top(number, i);
    const auto base = reinterpret_cast<std::uint64_t>(&task);
    gdt = {
        0,
        0x00af9a000000ffff,  // KERNEL_CODE
        0x00cf92000000ffff,  // KERNEL_DATA
        0x00cff2000000ffff,  // USER_DATA
        0x00affa000000ffff,  // USER_CODE
        (sizeof task - 1) | (base & 0xffffff) << 16 | std::uint64_t{0x89} << 40 | (base >> 24 & 0xff) << 56,
        base >> 32};
    const Pointer gdt_pointer{sizeof gdt - 1, reinterpret_cast<std::uint64_t>(gdt.data())};
    const Pointer idt_pointer{sizeof idt - 1, reinterpret_cast<std::uint64_t>(idt)};
    asm volatile("lgdt %0" ::"m"(gdt_pointer));
    asm volatile(
        "push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %1, %%ds; mov %1, %%es; mov %1, %%ss;"
        "mov %2, %%fs; mov %2, %%gs" ::"i"(KERNEL_CODE),
        "r"(KERNEL_DATA), "r"(0)
        : "rax", "memory");
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));
    asm volatile("lidt %0" ::"m"(idt_pointer));
    write_msr(kMsrFsBase, 0);
    write_msr(kMsrGsBase, reinterpret_cast<std::uint64_t>(cpu));
    write_msr(kMsrKernelGsBase, 0);
    write_msr(kMsrStar, std::uint64_t{KERNEL_DATA} << 48 | std::uint64_t{KERNEL_CODE} << 32);
    write_msr(kMsrLstar, reinterpret_cast<std::uint64_t>(syscall_entry));
    write_msr(kMsrFmask, kFlagsCleared);
}

}  // namespace cox::arch
