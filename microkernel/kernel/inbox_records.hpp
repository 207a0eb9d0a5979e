// SPDX-License-Identifier: MIT
// What CPUs say to each other: typed records, each part of the thing that it is about.
//   place      a thread was moved to queued here (enqueue_on)
//   request    look at the request bits of a thread that was here
//   timer      look at a thread's deadline (timers.hpp)
//   alarm      look at an alarm's deadline (alarm.hpp)
//   attention  look at the Cpu's own flags
#pragma once
#include "kernel/cpu.hpp"

namespace cox {

// The owner takes everything that has arrived.
void serve_inbox(Cpu& cpu);

// The caller has set a request bit of a thread whose word said `cpu`.
void send_request(Thread& thread, std::uint32_t cpu);
void send_timer_record(Thread& thread, std::uint32_t cpu);
void send_attention(Cpu& target);

}  // namespace cox
