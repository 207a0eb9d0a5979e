// SPDX-License-Identifier: MIT
// Time-outs of cap_enter. A thread has one timer node, which stands in the queue of one CPU, its timekeeper (`timer_cpu`), and is
// touched by that CPU alone. What counts is the deadline of its ring's present wait; the node only makes the timekeeper look:
//
//   thread waits on CPU c:  the ring has the deadline; then if timer_cpu is none, c becomes the timekeeper; if it is c, c moves
//                           the node; else the timekeeper is sent a record, and makes the node agree
//   node expires:           the wait's time has come: it ends; then back with the present deadline, or, without one, the node is free
//   wake before the time:   the node stays until it expires, or until the thread next runs on its timekeeper
//
// The timekeeper frees the node (timer_cpu = none) before it reads the deadline for the last time, and the thread writes that
// before it reads timer_cpu, so a deadline is never overlooked. The node holds a reference to its thread.
#pragma once
#include "kernel/cpu.hpp"

namespace cox {

void arm_timeout(Cpu& cpu, Thread& thread, std::uint64_t deadline);  // the thread is current here
void disarm_timeout(Cpu& cpu, Thread& thread);                       // it waits no more, and runs here
void forget_timeout(Cpu& cpu, Thread& thread);                       // it has gone; any CPU

// Or alarm; kNever: there is none.
std::uint64_t first_timeout(const Cpu& cpu);
inline std::uint64_t next_timeout(const Cpu& cpu) {
    return cpu.timers.empty() && cpu.alarms.empty() ? kNever : first_timeout(cpu);
}
void expire_timeouts(Cpu& cpu, std::uint64_t now);
void serve_timer_record(Cpu& cpu, Thread& thread);

}  // namespace cox
