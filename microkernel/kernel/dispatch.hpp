// SPDX-License-Identifier: MIT
// Dispatch on one CPU: the head of its queue runs, first in, first out. All of these act on the executing CPU.
#pragma once
#include "abi/sched.hpp"
#include "kernel/cpu.hpp"

namespace cox {

// The end of every kernel entry: serves what others asked, settles what became of the current thread, and returns the frame
// of the thread to run. Idles here while there is none.
arch::TrapFrame* leave_kernel(Cpu& cpu);

// The current thread leaves the CPU: its context is saved, its time accounted, its reference handed to the caller.
Thread& take_off(Cpu& cpu);

// cap_enter waits: running → waiting. If a wake came first, the thread goes on.
void block_current(Cpu& cpu);

// Running or queued here → unplaced (or, for system threads, queued again), with its event.
void unplace_current(Cpu& cpu, abi::Cause cause);
void unplace_queued(Cpu& cpu, Thread& thread, abi::Cause cause);

// A queued thread's placement has arrived at this CPU. Takes over a reference.
void accept(Cpu& cpu, Thread& thread);

// A queued thread leaves this CPU's run queue.
void remove_queued(Cpu& cpu, Thread& thread);

// A server has attached: threads of the domain that the kernel placed here are handed back to it.
void return_fallback_threads(Cpu& cpu);

// Whether the kernel's fixed slice rules this thread's turns here.
bool kernel_rules(const Cpu& cpu, const Thread& thread);

}  // namespace cox
