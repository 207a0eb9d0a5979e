// SPDX-License-Identifier: MIT
// How threads end. A thread enters *gone* once, by whoever wins that transition, and then finish_exit() runs once.
#pragma once
#include "abi/sched.hpp"
#include "kernel/cpu.hpp"

namespace cox {

inline constexpr std::uint64_t kFaultExitCode = 0xfa17;  // of a thread that an exception ended

void exit_current(Cpu& cpu, std::uint64_t code, abi::Cause cause);
// A thread that this CPU owns and has just taken off or out of its queue. Takes over the queue's reference.
void exit_queued(Cpu& cpu, Thread& thread);
// Any thread, from any CPU: at once if it is nowhere on a CPU, else as soon as its CPU looks.
void kill_thread(Thread& thread, std::uint64_t code);

// A thread that its creator could not hand over is taken back; its process goes on as if it had never been. False: it has
// been killed with its process meanwhile.
bool take_back(Thread& thread);

// Returns the memory of processes that have gone, as far as no CPU has them loaded.
void reap(Cpu& cpu);

}  // namespace cox
