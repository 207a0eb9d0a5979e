// SPDX-License-Identifier: MIT
// cap_enter, after its first part (call_enter in calls.hpp): the wait.
#pragma once
#include "kernel/cpu.hpp"

namespace cox {

// What the door itself costs: the operation that does nothing.
constexpr std::int64_t nop_result(std::uint64_t a0) { return static_cast<std::uint32_t>(a0); }

// The current thread, its frame complete, waits as call_enter has left word in `enter`. It may leave the CPU.
void wait_in_enter(Cpu& cpu, Thread& thread);

// A thread whose wait is over runs again, its context loaded: its results. False: it had more to do first, and may have left
// the CPU.
bool finish_enter(Cpu& cpu, Thread& thread);

// A poller takes entries of `thread`'s submission queue, `limit` at most, as cap_enter would. Returns how many. Not the least
// of it relies on the thread being the one that runs here.
std::uint32_t take_submissions(Thread& thread, std::uint32_t limit);

}  // namespace cox
