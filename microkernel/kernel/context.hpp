// SPDX-License-Identifier: MIT
// A thread's context on and off the executing CPU: what both ways to switch do (dispatch.cpp looks at everything first, direct.cpp
// at next to nothing).
#pragma once
#include "arch/asm.hpp"
#include "arch/timer.hpp"
#include "kernel/address_space.hpp"
#include "kernel/cpu.hpp"
#include "kernel/park.hpp"
#include "kernel/process.hpp"

namespace cox {

// What this CPU has done since the last call was of this kind.
inline void account_as(std::uint64_t& ticks, Cpu& cpu, std::uint64_t now) {
    ticks += now - cpu.since;
    cpu.since = now;
}

// Of the current thread, about to stop. -> for how long it has run since it was switched in; use_up() follows, unless it has
// stopped for good or its turn begins anew.
inline std::uint64_t save_times(Thread& t, std::uint64_t now) {
    const auto ran = now - t.switched_in;
    t.runtime += ran;
    abi::StatusLine& line = t.line;
    line.runtime_ns.store(arch::clock.past_ns(t.runtime), std::memory_order_relaxed);
    line.calls.store(t.calls, std::memory_order_relaxed);
    return ran;
}
inline std::uint64_t save_context(Thread& t, std::uint64_t now) {
    t.fpu.save();
    return save_times(t, now);
}

// So much of its slice and its turn is over.
inline void use_up(Thread& t, std::uint64_t ran) {
    t.switched_in += ran;
    t.slice_used += ran;
    t.turn_used += ran;
}

inline void owns_fpu(Cpu& cpu, Thread& t) {
    cpu.fpu_owner = &t;
    t.fpu_cpu = &cpu;
}
inline void load_fpu(Cpu& cpu, Thread& t) {
    t.fpu.restore();
    owns_fpu(cpu, t);
}

inline void load_fs_base(Cpu& cpu, std::uint64_t fs_base) {
    constexpr std::uint32_t kMsrFsBase = 0xc0000100;
    arch::write_msr(kMsrFsBase, fs_base);
    cpu.loaded_fs_base = fs_base;
}

// Of one that is there, in two halves: that there is one is all that load_registers() wants to know.
inline void load_known_fs_base(Cpu& cpu, const std::uint64_t& fs_base) {
    constexpr std::uint32_t kMsrFsBase = 0xc0000100;
    const auto* const halves = reinterpret_cast<const std::uint32_t*>(&fs_base);
    arch::write_msr(kMsrFsBase, halves[0], halves[1]);
    cpu.loaded_fs_base = 1;
}

// Where its registers are saved at the next entry.
inline void load_frame(Cpu& cpu, Thread& t) {
    cpu.tables.set_entry_stack(reinterpret_cast<std::uint64_t>(&t.frame + 1));
}

inline void load_registers(Cpu& cpu, Thread& t, std::uint64_t now) {
    t.switched_in = now;
    // A user can set the base to 0, by loading the selector, without the kernel seeing it.
    if (cpu.loaded_fs_base | t.fs_base) load_fs_base(cpu, t.fs_base);
    load_frame(cpu, t);
}

// load_space() in place, for direct switches: the same in the same order.
inline void switch_space(Cpu& cpu, AddressSpace& space) {
    if (cpu.active_space.load(std::memory_order_relaxed) == &space) return;
    cpu.seen_generation.store(0, std::memory_order_relaxed);
    cpu.active_space.store(&space,
                           std::memory_order_release);  // after the line before: who sees this one sees that
    arch::full_fence();                                 // pairs with the fence in shoot_down
    const auto generation = space.generation.load();
    arch::write_cr3(space.top());
    // release: with the table loaded
    cpu.loaded_space.store(&space, std::memory_order_release);
    cpu.seen_generation.store(generation, std::memory_order_release);
}

// All but the floating-point state.
inline void load_context(Cpu& cpu, Thread& t, std::uint64_t now) {
    load_registers(cpu, t, now);
    load_space(cpu, &t.process->space());
}

}  // namespace cox
