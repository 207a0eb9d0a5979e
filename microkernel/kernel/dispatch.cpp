// SPDX-License-Identifier: MIT
// Order of precedence on a CPU: its agent while it has events, then the current thread until its turn ends, then the queue's head.
// A turn ends only while another thread is queued here.
#include "kernel/dispatch.hpp"

#include <algorithm>

#include "arch/timer.hpp"
#include "kernel/call_enter.hpp"
#include "kernel/context.hpp"
#include "kernel/direct_agent.hpp"
#include "kernel/exit.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/poller.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/timers.hpp"
#include "kernel/trace.hpp"
#include "kernel/watchdog.hpp"

namespace cox {

using abi::Cause;

namespace {

std::uint64_t fallback_slice() { return arch::clock.to_ticks(abi::kFallbackSliceNs); }

// Adds the time since the last call to whatever this CPU has been doing.
void account(Cpu& cpu, std::uint64_t now) {
    const Thread* t = cpu.current;
    auto& ticks = t ? (t->domain ? cpu.stats.domain_ticks : cpu.stats.system_ticks) : cpu.stats.idle_ticks;
    account_as(ticks, cpu, now);
}

// The current thread back into the queue: running → queued. False: a request came first; look again.
bool requeue_current(Cpu& cpu, bool head, Cause cause) {
    Thread& thread = take_off(cpu);
    const auto queued = thread.word().requeue(cause);
    if (!queued.done) {
        cpu.current = &thread;
        return false;
    }
    if (tracing(core::kTraceStop))
        trace(core::TraceEvent::kStop, thread.ref, queued.word.raw, head, cpu.since);
    push_queued(cpu, thread, head);
    return true;
}

// Whether the kernel's fixed slice rules the current thread's turns.
bool kernel_rules(const Cpu& cpu) {
    return cpu.kernel_placed_queued || !cpu.current->domain || !cpu.current->domain->attached() ||
           placed_by_kernel(*cpu.current);
}

// When the turn of the current thread ends, which is no agent at work, with others queued here; kNever: not while things stay as they are.
[[gnu::noinline]] std::uint64_t turn_end_of_many(const Cpu& cpu) {
    const Thread& t = *cpu.current;
    const auto left = [&](std::uint64_t slice, std::uint64_t used) {
        return t.switched_in + (slice > used ? slice - used : 0);
    };
    if (kernel_rules(cpu)) {
        const auto turn = left(fallback_slice(), t.turn_used);
        return t.slice ? std::min(turn, left(t.slice, t.slice_used)) : turn;
    }
    return t.slice ? left(t.slice, t.slice_used) : kNever;
}

// The same of any.
inline std::uint64_t turn_end(const Cpu& cpu) {
    const Thread& t = *cpu.current;
    if (agent_at_work(cpu, t)) return t.switched_in + agent_budget();
    return cpu.queue.empty() ? kNever : turn_end_of_many(cpu);
}

void end_turn(Cpu& cpu, std::uint64_t now) {
    Thread& t = *cpu.current;
    if (agent_at_work(cpu, t)) {
        t.agent_overrun = true;
        if (!cpu.queue.empty() && requeue_current(cpu, false, Cause::kAgentOverrun)) t.turn_used = 0;
        return;
    }
    if (t.domain && placed_by_kernel(t) && t.domain->attached())
        return unplace_current(cpu, Cause::kReturned);
    const bool slice_over = t.slice && t.slice_used + (now - t.switched_in) >= t.slice;
    if (t.domain && slice_over && !placed_by_kernel(t) && t.domain->attached()) {
        const auto hint = SchedDomain::rotate_hint(t);
        if (!hint.given) return unplace_current(cpu, Cause::kSliceEnd);
        t.slice = hint.slice;
        if (requeue_current(cpu, false, Cause::kSliceEnd)) t.slice_used = t.turn_used = 0;
        return;
    }
    if (requeue_current(cpu, false, Cause::kFallbackSlice)) t.turn_used = 0;
}

// What requests and the clock make of the current thread. Afterwards cpu.current runs on, or is null.
void settle_current(Cpu& cpu, std::uint64_t now) {
    Thread& t = *cpu.current;
    if (const auto requests = t.word().load().requests()) {
        if (requests & abi::kRequestKill) return exit_current(cpu, t.exit_code, Cause::kKilled);
        if (requests & abi::kRequestSuspend) return unplace_current(cpu, Cause::kResumed);
        if (requests & abi::kRequestRecall) return unplace_current(cpu, Cause::kRecalled);
        t.word().clear_requests(abi::kRequestAffinity);  // first: a change after it asks anew
        if (!t.allowed_on(cpu.number)) return unplace_current(cpu, Cause::kAffinityChanged);
    }
    if (std::exchange(cpu.preempt_current, false) && t.domain && !cpu.queue.empty()) {
        return unplace_current(cpu, Cause::kRecalled);
    }
    if (now >= turn_end(cpu)) end_turn(cpu, now);
}

// queued → running. False: it may not run here, or is to die; it has been dealt with.
bool begin(Cpu& cpu, Thread& thread) {
    for (;;) {
        // Before the look: a change after it asks anew.
        if (thread.word().load().requests()) thread.word().clear_requests(abi::kRequestAffinity);
        if (!thread.allowed_on(cpu.number)) {
            unplace_queued(cpu, thread, Cause::kAffinityChanged);
            return false;
        }
        if (thread.word().dispatch().done) break;
        const auto requests = thread.word().load().requests();
        if (requests & abi::kRequestKill) {
            exit_queued(cpu, thread);
            return false;
        }
        if (requests & (abi::kRequestSuspend | abi::kRequestRecall)) {
            unplace_queued(cpu, thread, requests & abi::kRequestSuspend ? Cause::kResumed : Cause::kRecalled);
            return false;
        }
    }
    cpu.current = &thread;
    cpu.preempt_current = false;
    return true;
}

[[gnu::noinline]] void trace_dispatch(Thread& t) {
    const unsigned kind =
        t.is_agent() | (t.domain != nullptr) << 1 | (t.resume & Thread::kInterrupted ? 4u : 0u);
    trace(core::TraceEvent::kDispatch, t.ref, t.word().load().raw, kind | t.slice << 8);
}

void count_dispatch(Cpu& cpu, Thread& t) {
    if (tracing(core::kTraceDispatch)) trace_dispatch(t);
    if (t.resume & Thread::kInterrupted) {
        t.resume &= ~Thread::kInterrupted;
        return;
    }
    if (t.is_agent())
        ++cpu.stats.agent_dispatches;
    else if (!t.domain)
        ++cpu.stats.system_dispatches;
    else if (placed_by_kernel(t))
        ++cpu.stats.fallback_dispatches;
    else
        ++cpu.stats.server_dispatches;
}

// Loads the context of cpu.current, which has just begun. False: it had something to do first, so who runs may have changed.
bool switch_in(Cpu& cpu, std::uint64_t now) {
    Thread& t = *cpu.current;
    count_dispatch(cpu, t);
    if (t.domain && !std::exchange(cpu.line_busy, true)) set_cpu_line(cpu.number, abi::ThreadState::kRunning);
    if (cpu.fpu_owner != &t || t.fpu_cpu != &cpu) load_fpu(cpu, t);
    load_context(cpu, t, now);
    return finish_wait(cpu, t);
}

// Decides who runs. False: nobody can. `fresh`: cpu.current has just begun and its context is not loaded.
bool choose(Cpu& cpu, std::uint64_t now, bool& fresh) {
    for (;;) {
        if (cpu.current) settle_current(cpu, now);
        if (cpu.agent_ready) {
            if (cpu.current) {
                cpu.current->resume |= Thread::kInterrupted;
                if (!requeue_current(cpu, true, cpu.current->word().load().cause()))
                    continue;  // a request came: settle it
            }
            if (begin(cpu, *std::exchange(cpu.agent_ready, nullptr))) return fresh = true;
            continue;
        }
        if (cpu.current) return true;
        while (Thread* next = pop_queued(cpu)) {
            if (begin(cpu, *next)) return fresh = true;
        }
        if (!cpu.agent_ready) return false;  // else a misfit's event has made it ready
    }
}

// The CPU has no thread of the domain to run: its line says so, and its agent hears of it, once.
void note_idle(Cpu& cpu) {
    if (!std::exchange(cpu.line_busy, false)) return;
    cpu_idle(cpu);
}

void arm_timer(Cpu& cpu, std::uint64_t now) {
    // While an agent works, within its budget, the watchdog has nothing to look at.
    const bool agent = cpu.current && agent_at_work(cpu, *cpu.current);
    const auto turn = agent                               ? cpu.current->switched_in + agent_budget()
                      : cpu.current && !cpu.queue.empty() ? turn_end_of_many(cpu)
                                                          : kNever;
    arm_until(cpu, std::min({turn, next_timeout(cpu), agent ? kNever : watch_deadline(cpu, now)}), now);
}

}  // namespace

// One that is armed for earlier is left: it finds nothing due, and another is armed then. But a CPU that needs none has none.
void arm_until(Cpu& cpu, std::uint64_t deadline, std::uint64_t now) {
    if (deadline == cpu.armed_deadline || (deadline != kNever && deadline > cpu.armed_deadline)) return;
    cpu.armed_deadline = deadline;
    arch::timer_arm(deadline, now);
}

bool finish_wait(Cpu& cpu, Thread& t) {
    if (t.resume & Thread::kInEnter) return finish_enter(cpu, t);
    if (t.resume & Thread::kInPark) finish_park(cpu, t);
    if (t.resume & Thread::kInIpc) return finish_ipc(cpu, t);
    return true;
}

Thread& take_off(Cpu& cpu) {
    const auto now = arch::rdtsc();
    Thread& t = *cpu.current;
    look_again(cpu);
    account(cpu, now);
    use_up(t, save_context(t, now));
    cpu.current = nullptr;
    if (t.ipc.loan) end_loan(t, cpu.number);
    return t;
}

void yield_current(Cpu& cpu) {
    Thread& t = *cpu.current;
    if (t.domain && !placed_by_kernel(t) && t.domain->attached()) {
        const auto hint = SchedDomain::rotate_hint(t);
        if (!hint.given) return unplace_current(cpu, Cause::kYielded);
        t.slice = hint.slice;
    }
    if (cpu.queue.empty() || requeue_current(cpu, false, Cause::kYielded)) t.slice_used = t.turn_used = 0;
}

bool block_current(Cpu& cpu, Cause cause) {
    Thread& t = take_off(cpu);
    t.agent_overrun = false;
    const auto blocked = t.word().block(cause);
    if (!blocked.done || blocked.word.state() == abi::ThreadState::kRunning) {  // to die, or woken already
        cpu.current = &t;
        return !blocked.done;
    }
    if (tracing(core::kTraceStop)) trace(core::TraceEvent::kStop, t.ref, blocked.word.raw, 0, cpu.since);
    if (t.domain) {
        if (cpu.queue.empty()) note_idle(cpu);
        if (!SchedDomain::wake_hint(t).given) t.domain->post_event(t.ref.index, cpu.number);
    }
    t.release();
    return true;
}

arch::TrapFrame* leave_kernel(Cpu& cpu) {
    for (;;) {
        // Mostly there is nothing to serve: that is seen here, without a call.
        if (!cpu.inbox.empty()) serve_inbox(cpu);
        serve_shootdown(cpu);
        if (cpu.reap_list || cpu.dead_processes) reap(cpu);
        const auto now = arch::rdtsc();
        if (!cpu.timers.empty()) expire_timeouts(cpu, now);
        if (!cpu.alarms.empty()) expire_alarms(cpu, now);
        if (now >= cpu.watch_deadline) watch(cpu, now);
        account(cpu, now);
        if (cpu.agent_ready && !cpu.current)
            if (arch::TrapFrame* const frame = switch_to_agent_from_idle(cpu, now)) return frame;
        bool fresh = false;
        if (choose(cpu, now, fresh)) {
            if (fresh && !switch_in(cpu, now)) continue;
            // What this CPU has sent to itself meanwhile brings no interrupt.
            if (!cpu.inbox.empty() || cpu.dead_processes) continue;
            // sysret and iretq would fault in the kernel on an address that is not canonical. A poller has none.
            if (cpu.current->frame.rip >= abi::kUserTop) {
                if (cpu.current->polls)
                    poll_ring(cpu, *cpu.current);
                else
                    exit_current(cpu, kFaultExitCode, Cause::kFaulted);
                continue;
            }
            if (cpu.reap_list) reap(cpu);
            arm_timer(cpu, now);
            cpu.exit_work = cpu.reap_list ? kLook : 0;
            cpu.timed_well = false;
            return &cpu.current->frame;
        }
        note_idle(cpu);
        load_space(cpu, nullptr);
        reap(cpu);
        // The event of the idle CPU may have made its agent ready; and what another CPU has still loaded, it soon lets go.
        if (cpu.agent_ready || !cpu.queue.empty() || cpu.reap_list || cpu.dead_processes ||
            !cpu.inbox.empty())
            continue;
        arm_timer(cpu, now);
        arch::wait_for_interrupt();
    }
}

}  // namespace cox
