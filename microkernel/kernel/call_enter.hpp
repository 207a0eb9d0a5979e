// SPDX-License-Identifier: MIT
// cap_enter(min_complete, timeout_ns): submits all that is queued, then waits for completions.
#pragma once
#include "kernel/cpu.hpp"

namespace cox {

// Executes the call of the current thread; it may leave the CPU. Its result is in its frame when it runs again.
void call_enter(Cpu& cpu, Thread& thread);

// The wait is over: writes the result. On the thread's CPU.
void finish_enter(Cpu& cpu, Thread& thread);

}  // namespace cox
