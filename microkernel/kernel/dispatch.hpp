// SPDX-License-Identifier: MIT
// Dispatch on one CPU: the head of its queue runs, first in, first out. All of these act on the executing CPU.
#pragma once
#include "abi/sched.hpp"
#include "kernel/cpu.hpp"

namespace cox {

// The end of every kernel entry: serves what others asked, settles what became of the current thread, and returns the frame
// of the thread to run. Idles here while there is none.
arch::TrapFrame* leave_kernel(Cpu& cpu);

// The current thread, its context loaded, ends the call in which it waited, if it did. False: it had something to do first, so who runs may
// have changed.
bool finish_wait(Cpu& cpu, Thread& thread);

// The timer, so that it fires at that time at the latest; kNever: not at all.
void arm_until(Cpu& cpu, std::uint64_t deadline, std::uint64_t now);

// The current thread leaves the CPU: its context is saved, its time accounted, its reference handed to the caller.
Thread& take_off(Cpu& cpu);

// kYield: the others that are queued here run first; without a hint that says so, the server decides.
void yield_current(Cpu& cpu);

// The current thread waits: running → waiting. False: a wake came first, and the thread goes on.
bool block_current(Cpu& cpu, abi::Cause cause = abi::Cause::kBlocked);

}  // namespace cox
