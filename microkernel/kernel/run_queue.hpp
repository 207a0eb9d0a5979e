// SPDX-License-Identifier: MIT
// How threads come into the executing CPU's run queue and leave it. Only that CPU calls these. A thread in the queue, and the current
// one, is held by one reference, which moves with it.
#pragma once
#include "abi/sched.hpp"
#include "arch/timer.hpp"
#include "kernel/cpu.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

// The queue's own assertion, for direct.cpp, which can only jump here.
arch::TrapFrame* check_queued(const Thread& thread, bool queued);

// A queued thread's placement has arrived at this CPU. Takes over a reference.
void accept(Cpu& cpu, Thread& thread);
// The same for the agent at work here, while none is ready.
inline void ready_agent(Cpu& cpu, Thread& agent) {
    cpu.agent_ready = &agent;
    cpu.exit_work |= kAgentWoken;
}

// The same for one that a hint has woken here just now: its affinity was looked at, and requests come with a record. Unless
// Cpu::timed_well, look_at_timer() is to follow.
// Whether the timer is armed early enough for one more is looked at once, until leave_kernel has looked at everything: meanwhile there are
// only direct switches, which take nobody whose turn ends earlier.
void look_at_timer(Cpu& cpu);
[[gnu::always_inline]] inline void accept_woken(Cpu& cpu, Thread& thread, std::uint64_t now) {
    thread.slice_used = thread.turn_used = 0;
    thread.queued_since = now;
    cpu.queue.push_back(thread);
}

// The same for one that a commit without flags has placed here just now. In a batch: then kQueued is for its end.
[[gnu::always_inline]] inline void accept_in_batch(Cpu& cpu, Thread& thread, std::uint64_t now) {
    thread.resume &= ~Thread::kInterrupted;
    accept_woken(cpu, thread, now);
}
[[gnu::always_inline]] inline void accept_placed(Cpu& cpu, Thread& thread, std::uint64_t now) {
    accept_in_batch(cpu, thread, now);
    cpu.exit_work |= kQueued;
}

// What requests and affinity make of a thread that is queued here, in the queue or on its way into it. False: it has left.
bool settle_queued(Cpu& cpu, Thread& thread);

void push_queued(Cpu& cpu, Thread& thread, bool head);
Thread* pop_queued(Cpu& cpu);  // nullptr: none
void remove_queued(Cpu& cpu, Thread& thread);

// Running here, or queued here but out of the queue → unplaced (a system thread: queued again), or suspended if that is asked
// for, with its event. Gives up the reference. `ran`: it has just been taken off
// the CPU.
void unplace_current(Cpu& cpu, abi::Cause cause);
void unplace_queued(Cpu& cpu, Thread& thread, abi::Cause cause, bool ran = false);

// A server has attached: threads of the domain that the kernel placed here are handed back to it.
void return_fallback_threads(Cpu& cpu);

bool placed_by_kernel(Thread& thread);
// The thread is this CPU's agent and within its budget: it goes before everyone.
[[gnu::always_inline]] inline bool agent_is_in_time(const Cpu& cpu, const Thread& thread) {
    const SchedDomain* const domain = thread.agent_of.load(std::memory_order_relaxed);
    return domain->answers_by(thread, cpu.number) && !thread.agent_overrun.load(std::memory_order_relaxed) &&
           (cpu.domain == domain || !cpu.domain);
}
[[gnu::always_inline]] inline bool agent_at_work(const Cpu& cpu, const Thread& thread) {
    return thread.agent_cpu.load(std::memory_order_relaxed) == cpu.number && agent_is_in_time(cpu, thread);
}
extern arch::TimerSpan agent_budget_span;
void agent_budget_init();  // boot, when the clock is what it will be
inline std::uint64_t agent_budget() { return agent_budget_span.ticks; }

}  // namespace cox
