// SPDX-License-Identifier: MIT
// Pollers: threads without user code that take what is submitted in another thread's ring (docs/abi.md, "Polling").
//
// A poller is dispatched like any thread. Where others return to user mode, leave_kernel has it take a few entries, and looks
// again at all that it looks at. Its frame's address is no user's, so that nothing else could be done with it.
//
// While a ring has a poller (Ring::poller), the poller alone takes from the submission queue. The thread gives that away by
// kPoll, in which it takes nothing, and has it back when the poller has gone. A poller refers to its thread, and so to the
// ring's pages; the ring names its poller by ThreadRef. A thread's end ends its poller; of the two, the last one says that the
// thread has ended.
#pragma once
#include "kernel/calls.hpp"

namespace cox {

core::Result<Reply> make_poller(const Invocation& call);  // kPoll, of the caller itself

// The current thread, a poller: one pass, of kPollPass entries at most. It may leave the CPU.
inline constexpr std::uint32_t kPollPass = 32;
void poll_ring(Cpu& cpu, Thread& poller);

// Any CPU, no lock held. What the thread's poller may be asleep for has come.
void wake_poller(Thread& thread);
// Of finish_exit: the poller has gone; the thread has.
void end_polling(Thread& poller);
void end_poller(Thread& thread);

}  // namespace cox
