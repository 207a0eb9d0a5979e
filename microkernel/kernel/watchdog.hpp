// SPDX-License-Identifier: MIT
// The watchdog: a thread of the domain that the server has left runnable without a CPU for too long makes the domain fall back.
// Each CPU watches its own queue and the unplaced threads that ran on it last, with one deadline, armed only while one waits.
#pragma once
#include "kernel/cpu.hpp"

namespace cox {

void watchdog_init(std::uint64_t milliseconds);

// The deadline of this CPU as things stand now; kNever: nothing waits.
std::uint64_t watch_deadline(Cpu& cpu, std::uint64_t now);

// The deadline has passed: looks for a starved thread.
void watch(Cpu& cpu, std::uint64_t now);

}  // namespace cox
