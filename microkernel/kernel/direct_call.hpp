// SPDX-License-Identifier: MIT
// What direct_call.cpp and direct_fault.cpp share: one thread waits for another, which goes on in its place and on its time.
#pragma once
#include "kernel/context.hpp"

namespace cox {

// What is left of the turn of the one is the other's.
[[gnu::always_inline]] inline void hand_time(const Thread& from, Thread& to, std::uint64_t ran) {
    to.slice = from.slice;
    to.slice_used = from.slice_used + ran;
    to.turn_used = from.turn_used + ran;
}

// As save_context(), load_fpu() and load_registers(), where XSAVEOPT is known to be there (kind_of), and FS bases are mostly set.
[[gnu::always_inline]] inline std::uint64_t save(Thread& t, abi::StatusLine& line, std::uint64_t now) {
    t.fpu.save_optimized();
    const auto ran = now - t.switched_in;
    t.runtime += ran;
    line.runtime_ns.store(arch::clock.past_ns(t.runtime), std::memory_order_relaxed);
    line.calls.store(t.calls, std::memory_order_relaxed);
    return ran;
}

[[gnu::always_inline]] inline void go_on(Cpu& cpu, Thread& next, std::uint64_t now) {
    cpu.current = &next;
    next.fpu.restore_extended();
    cpu.fpu_owner = &next;
    next.fpu_cpu = &cpu;
    next.switched_in = now;
    load_known_fs_base(cpu, next.fs_base);
    load_frame(cpu, next);
    switch_space(cpu, next.process->space());
}

// The current thread waits, and its reference has gone with its call, but who was to run in its place may not, or not here.
void stopped(Cpu& cpu, Thread& thread);
// The thread has taken over, but may not run here any more. -> the frame to go on with.
arch::TrapFrame* leave_with_misfit(Cpu& cpu, Thread& thread);

}  // namespace cox
