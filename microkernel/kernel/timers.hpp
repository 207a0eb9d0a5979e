// SPDX-License-Identifier: MIT
// Time-outs of cap_enter. A thread has one timer node, which stands in the queue of one CPU, its timekeeper (`timer_cpu`), and is
// touched by that CPU alone. What counts is the thread's `wait_deadline`; the node only makes the timekeeper look at it:
//
//   thread waits on CPU c:  wait_deadline = d; then if timer_cpu is none, c becomes the timekeeper; if it is c, c moves the node;
//                           else the timekeeper is sent a record, and makes the node agree
//   node expires:           deadline not reached: back with the present one; never: the node is free; reached: the thread times out
//   wake before the time:   wait_deadline = never; the node stays until it expires, or until the thread next runs on its timekeeper
//
// The timekeeper frees the node (timer_cpu = none) before it reads wait_deadline for the last time, and the thread writes it
// before it reads timer_cpu, so a deadline is never overlooked. The node holds a reference to its thread.
#pragma once
#include "kernel/cpu.hpp"

namespace cox {

void arm_timeout(Cpu& cpu, Thread& thread, std::uint64_t deadline);  // the thread is current here
void disarm_timeout(Cpu& cpu, Thread& thread);                       // it waits no more; any CPU

std::uint64_t next_timeout(const Cpu& cpu);
void expire_timeouts(Cpu& cpu, std::uint64_t now);
void serve_timer_record(Cpu& cpu, Thread& thread);

}  // namespace cox
