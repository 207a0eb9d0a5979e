// SPDX-License-Identifier: MIT
// What leave_kernel looks at besides has not changed since this CPU last left the kernel, or exit_work would say kLook: see direct.cpp.
// The timer stays as it is armed if that is early enough. So one that was armed for an agent's budget may fire once when that has
// long waited again; it finds nothing due.
#include "kernel/direct_agent.hpp"

#include <algorithm>

#include "kernel/call_enter.hpp"
#include "kernel/calls.hpp"
#include "kernel/commit_batch.hpp"
#include "kernel/context.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/timers.hpp"

namespace cox {

namespace {

arch::TrapFrame* ordinary_way(Cpu& cpu) {
    finish_exit_work(cpu);
    return leave_kernel(cpu);
}

[[gnu::always_inline]] inline void load_all(Cpu& cpu, Thread& thread, std::uint64_t now) {
    cpu.preempt_current = false;
    cpu.exit_work = 0;
    cpu.timed_well = false;
    if (cpu.fpu_owner != &thread || thread.fpu_cpu != &cpu) load_fpu(cpu, thread);
    load_registers(cpu, thread, now);
    switch_space(cpu, thread.process->space());
}

// Whether the timer, as it is armed, ends the turn of `next`, the queue's head, in time once it runs, and watches over those behind it.
bool timed_for(const Cpu& cpu, const Thread& next, std::uint64_t now) {
    if (cpu.unplaced_here.load(std::memory_order_relaxed) > 0) return false;
    if (!cpu.queue.next(next)) return true;
    if (cpu.watch_deadline < cpu.armed_deadline || cpu.watch_deadline == kNever) return false;
    return next.slice == 0 || now + next.slice - next.slice_used >= cpu.armed_deadline;
}

// queued → running. False: a request came.
[[gnu::always_inline]] inline bool begin_agent(Cpu& cpu, Thread& agent, std::uint64_t now) {
    if (!agent.word().dispatch().done) return false;
    cpu.agent_ready = nullptr;
    cpu.current = &agent;
    ++cpu.stats.agent_dispatches;
    load_all(cpu, agent, now);
    return true;
}

// finish_enter of one that waited for events with no end, in place. False: there is more to do, and nothing has been done.
[[gnu::always_inline]] inline bool finish_event_wait(const Cpu& cpu, Thread& agent) {
    if (agent.enter.wanted != Thread::kForEvents || agent.timed_out ||
        agent.timer_cpu.load(std::memory_order_relaxed) == cpu.number)
        return false;
    const auto ready = agent.ring.ready_unless_released();
    if (!ready) return false;
    agent.resume = 0;
    agent.frame.rax = *ready;
    agent.frame.rdx = 0;
    return true;
}

// The end of its budget, or what comes before.
[[gnu::always_inline]] inline void arm_for_agent(Cpu& cpu, std::uint64_t now) {
    const auto end = now + agent_budget(), next = next_timeout(cpu);
    if (next < end) [[unlikely]]
        return arm_until(cpu, next, now);
    if (end >= cpu.armed_deadline) return;
    cpu.armed_deadline = end;
    arch::timer_arm_span(agent_budget_span, now);
}

// The agent waits. False: it has what it waits for, or was woken or killed while it was about to.
[[gnu::always_inline]] inline bool put_to_sleep(const Cpu& cpu, Thread& agent, std::uint64_t now) {
    agent.resume |= Thread::kInEnter;
    agent.timed_out = false;
    if (!agent.agent_of.load(std::memory_order_relaxed)->begin_sleep_here(agent, cpu.number)) return false;
    use_up(agent, save_context(agent, now));
    agent.agent_overrun.store(false, std::memory_order_relaxed);
    if (agent.word().block_in_call(agent.word().load(), cpu.waits_word).done) [[likely]]
        return true;
    const auto blocked = agent.word().block();
    return blocked.done && blocked.word.state() == abi::ThreadState::kWaiting;
}

// The agent does not wait after all.
[[gnu::noinline]] arch::TrapFrame* wake_at_once(Cpu& cpu, Thread& agent) {
    finish_enter(cpu, agent);
    return leave_kernel(cpu);
}

// One that is running in its word alone is queued instead, or what it was asked for meanwhile is done.
[[gnu::noinline]] void take_back(Cpu& cpu, Thread& thread) {
    ask_misfit(thread, cpu.number);
    while (!thread.word().requeue(thread.word().load().cause()).done)
        if (!settle_queued(cpu, thread)) return;
    push_queued(cpu, thread, false);
}

// The commit is not one of the plainest.
[[gnu::noinline]] arch::TrapFrame* commit_then_switch(Cpu& cpu) {
    cpu.exit_work = 0;
    if (!commit_left_to_do(*cpu.current)) {
        look_again(cpu);
        return ordinary_way(cpu);
    }
    const bool more = cpu.exit_work & ~(kQueued | kWatch);
    cpu.exit_work |= kWaitForEvents;
    return more ? ordinary_way(cpu) : switch_from_agent(cpu);
}

// It waits, and is current no more.
[[gnu::always_inline]] inline void leave_agent(Cpu& cpu, Thread& agent, std::uint64_t now) {
    account_as(cpu.stats.system_ticks, cpu, now);
    cpu.current = nullptr;
    agent.release();
}

[[gnu::always_inline]] inline arch::TrapFrame* go_on(Cpu& cpu, Thread& thread) {
    if (thread.resume == Thread::kInPark)
        finish_park(cpu, thread);
    else if (thread.resume & Thread::kPolls || !finish_wait(cpu, thread))
        return leave_kernel(cpu);
    return &thread.frame;
}

// After the agent; it is running in its word already.
[[gnu::always_inline]] inline arch::TrapFrame* begin_next(Cpu& cpu, Thread& next, std::uint64_t now) {
    cpu.current = &next;
    if (next.resume & Thread::kInterrupted)
        next.resume &= ~Thread::kInterrupted;
    else
        ++cpu.stats.server_dispatches;
    if (!std::exchange(cpu.line_busy, true)) set_cpu_line(cpu.number, abi::ThreadState::kRunning);
    load_all(cpu, next, now);
    return go_on(cpu, next);
}

}  // namespace

arch::TrapFrame* switch_to_agent(Cpu& cpu) {
    Thread& t = *cpu.current;
    Thread& agent = *cpu.agent_ready;
    const auto now = arch::rdtsc();
    if (!cpu.switches_directly || agent.resume & Thread::kInterrupted ||
        cpu.armed_deadline > now + agent_budget())
        return ordinary_way(cpu);
    const auto ran = save_context(t, now);
    use_up(t, ran);
    const auto word = t.word().load();
    if (cpu.preempt_current || !t.word().requeue(word.cause()).done) return ordinary_way(cpu);
    account_as(t.domain ? cpu.stats.domain_ticks : cpu.stats.system_ticks, cpu, now);
    t.resume |= Thread::kInterrupted;
    t.queued_since = now;
    cpu.queue.push_front(t);
    cpu.kernel_placed_queued += word.placed_by_kernel();
    cpu.current = nullptr;
    return begin_agent(cpu, agent, now) ? go_on(cpu, agent) : ordinary_way(cpu);
}

arch::TrapFrame* switch_to_agent_from_idle(Cpu& cpu, std::uint64_t now) {
    Thread& agent = *cpu.agent_ready;
    // What this CPU has sent to itself meanwhile brings no interrupt.
    if (!cpu.switches_directly || agent.resume != Thread::kInEnter || !cpu.inbox.empty() ||
        cpu.dead_processes || cpu.reap_list)
        return nullptr;
    if (!begin_agent(cpu, agent, now) || (!finish_event_wait(cpu, agent) && !finish_enter(cpu, agent)))
        return nullptr;
    arm_for_agent(cpu, now);
    return &agent.frame;
}

arch::TrapFrame* switch_from_agent(Cpu& cpu) {
    Thread& agent = *cpu.current;
    Thread* const next = cpu.queue.front();
    const auto now = arch::rdtsc();
    if (!next || cpu.kernel_placed_queued || !cpu.switches_directly || !next->domain || next->polls ||
        agent.enter.timeout_ns != abi::kForever || !timed_for(cpu, *next, now))
        return ordinary_way(cpu);
    if (!put_to_sleep(cpu, agent, now)) return wake_at_once(cpu, agent);
    leave_agent(cpu, agent, now);
    if (!next->word().dispatch().done) return leave_kernel(cpu);  // a request came
    cpu.queue.drop_front(*next);
    return begin_next(cpu, *next, now);
}

arch::TrapFrame* commit_and_switch(Cpu& cpu) {
    Thread& agent = *cpu.current;
    SchedDomain& domain = *agent.agent_of.load(std::memory_order_relaxed);
    const auto now = arch::rdtsc();
    bool fits = false;
    // One more is unplaced here: the thread itself.
    Thread* const next = cpu.queue.empty() && cpu.direct_domain == &domain &&
                                 cpu.unplaced_here.load(std::memory_order_relaxed) <= 1
                             ? domain.run_plainly(cpu, abi::ThreadRef::from_raw(agent.frame.rdx),
                                                  agent.frame.r10, agent.frame.r8, fits)
                             : nullptr;
    if (!next) [[unlikely]]
        return commit_then_switch(cpu);
    if (!fits || !put_to_sleep(cpu, agent, now)) [[unlikely]] {
        take_back(cpu, *next);
        return wake_at_once(cpu, agent);
    }
    leave_agent(cpu, agent, now);
    return begin_next(cpu, *next, now);
}

}  // namespace cox
