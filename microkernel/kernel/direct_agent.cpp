// SPDX-License-Identifier: MIT
// What leave_kernel looks at besides has not changed since this CPU last left the kernel, or exit_work would say kLook: see direct.cpp.
// The timer stays as it is armed if that is early enough. So one that was armed for an agent's budget may fire once when that has
// long waited again; it finds nothing due.
#include "kernel/direct_agent.hpp"

#include "kernel/call_enter.hpp"
#include "kernel/calls.hpp"
#include "kernel/context.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

namespace {

arch::TrapFrame* ordinary_way(Cpu& cpu) {
    finish_exit_work(cpu);
    return leave_kernel(cpu);
}

void load_all(Cpu& cpu, Thread& thread, std::uint64_t now) {
    cpu.preempt_current = false;
    cpu.exit_work = 0;
    cpu.timed_well = false;
    load_fpu(cpu, thread);
    load_context(cpu, thread, now);
}

// Whether the timer, as it is armed, ends the turn of `next`, the queue's head, in time once it runs, and watches over those behind it.
bool timed_for(const Cpu& cpu, const Thread& next, std::uint64_t now) {
    if (cpu.unplaced_here.load(std::memory_order_relaxed) > 0) return false;
    if (!cpu.queue.next(next)) return true;
    if (cpu.watch_deadline < cpu.armed_deadline || cpu.watch_deadline == kNever) return false;
    return next.slice == 0 || now + next.slice - next.slice_used >= cpu.armed_deadline;
}

// The agent waits. False: it has what it waits for, or was woken or killed while it was about to.
bool put_to_sleep(Thread& agent, std::uint64_t now) {
    agent.resume |= Thread::kInEnter;
    agent.timed_out = false;
    if (!agent.agent_of.load(std::memory_order_relaxed)->begin_sleep(agent, kNever)) return false;
    use_up(agent, save_context(agent, now));
    agent.agent_overrun.store(false, std::memory_order_relaxed);
    const auto blocked = agent.word().block();
    return blocked.done && blocked.word.state() == abi::ThreadState::kWaiting;
}

arch::TrapFrame* go_on(Cpu& cpu, Thread& thread) {
    return finish_wait(cpu, thread) ? &thread.frame : leave_kernel(cpu);
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
    if (!agent.word().dispatch().done) return ordinary_way(cpu);
    cpu.agent_ready = nullptr;
    cpu.current = &agent;
    ++cpu.stats.agent_dispatches;
    load_all(cpu, agent, now);
    return go_on(cpu, agent);
}

arch::TrapFrame* switch_from_agent(Cpu& cpu) {
    Thread& agent = *cpu.current;
    Thread* const next = cpu.queue.front();
    const auto now = arch::rdtsc();
    if (!next || cpu.kernel_placed_queued || !cpu.switches_directly || !next->domain || next->polls ||
        agent.enter.timeout_ns != abi::kForever || !timed_for(cpu, *next, now))
        return ordinary_way(cpu);
    if (!put_to_sleep(agent, now)) {
        finish_enter(cpu, agent);
        return leave_kernel(cpu);
    }
    account_as(cpu.stats.system_ticks, cpu, now);
    cpu.current = nullptr;
    agent.release();
    if (!next->word().dispatch().done) return leave_kernel(cpu);  // a request came
    cpu.queue.drop_front(*next);
    cpu.current = next;
    if (next->resume & Thread::kInterrupted)
        next->resume &= ~Thread::kInterrupted;
    else
        ++cpu.stats.server_dispatches;
    if (!std::exchange(cpu.line_busy, true)) set_cpu_line(cpu.number, abi::ThreadState::kRunning);
    load_all(cpu, *next, now);
    return go_on(cpu, *next);
}

}  // namespace cox
