// SPDX-License-Identifier: MIT
// Descriptor tables of one CPU: GDT, task state (kernel stack pointers), and the IST stacks for the exceptions
// that may come at any instruction. The IDT is shared.
#pragma once
#include <array>
#include <cstdint>

#include "arch/entry_offsets.h"

namespace cox::arch {

struct [[gnu::packed]] TaskState {
    std::uint32_t reserved0;
    std::uint64_t rsp[3];
    std::uint64_t reserved1;
    std::uint64_t ist[7];
    std::uint64_t reserved2;
    std::uint16_t reserved3, io_map_base;
};
static_assert(sizeof(TaskState) == 104);

// The IST stacks, by their index among the CPU's (paging.hpp). The bottom of each holds the Cpu's address: how entry.S finds its
// CPU without trusting GS.
enum class Ist : unsigned { kNmi, kDebug, kDoubleFault, kMachineCheck };

struct CpuTables {
    alignas(16) TaskState task;  // first: entry.S knows where rsp[0] is
    std::array<std::uint64_t, 7> gdt;

    // Fills and loads GDT, TSS, the IDT, the GS bases and the system call MSRs of this CPU, whose IST stacks are mapped.
    void load(void* cpu, unsigned number);
    // Where the CPU pushes on an entry from user mode.
    void set_entry_stack(std::uint64_t top) { task.rsp[0] = top; }
};

inline constexpr unsigned kVectorNmi = 2, kVectorPageFault = 14;
inline constexpr unsigned kVectorTimer = 0xe0, kVectorReschedule = 0xe1, kVectorSpurious = 0xff;

void build_idt();

}  // namespace cox::arch
