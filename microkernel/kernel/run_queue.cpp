// SPDX-License-Identifier: MIT
#include "kernel/run_queue.hpp"

#include "kernel/dispatch.hpp"
#include "kernel/exit.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/trace.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Cause;

namespace {

// A CPU's state is changed by that CPU alone.
void check_owner(const Cpu& cpu) {
    if constexpr (kDebugChecks) COX_ASSERT(&cpu == &this_cpu());
}

// The queue has grown. Whether the timer is armed early enough for what that means for the current thread's turn, and for the
// watchdog; where that is not seen at a glance, no.
bool is_timed_well(const Cpu& cpu) {
    Thread* const t = cpu.current;
    if (!t || !t->domain || cpu.kernel_placed_queued || t->word().load().placed_by_kernel()) return false;
    if (t->slice && t->switched_in + t->slice - t->slice_used < cpu.armed_deadline) return false;
    return cpu.watch_deadline != kNever && cpu.armed_deadline <= cpu.watch_deadline;
}

// A commit asked that the domain's running thread go: also when only the agent's run has interrupted it.
void make_room(Cpu& cpu) {
    if (cpu.current && cpu.current->domain) {
        cpu.preempt_current = true;
        return look_again(cpu);
    }
    for (Thread* t = cpu.queue.front(); t; t = cpu.queue.next(*t)) {
        if (!(t->resume & Thread::kInterrupted) || !t->domain) continue;
        remove_queued(cpu, *t);
        return unplace_queued(cpu, *t, Cause::kRecalled);
    }
}

}  // namespace

arch::TimerSpan agent_budget_span;
void agent_budget_init() { agent_budget_span = arch::timer_span(abi::kAgentBudgetNs); }

bool placed_by_kernel(Thread& thread) { return thread.word().load().placed_by_kernel(); }

void push_queued(Cpu& cpu, Thread& thread, bool head) {
    check_owner(cpu);
    cpu.exit_work |= kQueued;
    thread.queued_since = arch::rdtsc();
    if (head)
        cpu.queue.push_front(thread);
    else
        cpu.queue.push_back(thread);
    cpu.kernel_placed_queued += placed_by_kernel(thread);
}

Thread* pop_queued(Cpu& cpu) {
    check_owner(cpu);
    Thread* thread = cpu.queue.pop_front();
    if (thread) cpu.kernel_placed_queued -= placed_by_kernel(*thread);
    return thread;
}

void unplace_current(Cpu& cpu, Cause cause) {
    Thread& t = take_off(cpu);
    unplace_queued(cpu, t, cause, true);
}

void unplace_queued(Cpu& cpu, Thread& t, Cause cause, bool ran) {
    const auto now = arch::rdtsc();
    t.line.runnable_since.store(now, std::memory_order_relaxed);
    const auto left = t.word().unplace(cause);
    if (tracing(ran ? core::kTraceStop : core::kTraceWake))
        trace(ran ? core::TraceEvent::kStop : core::TraceEvent::kReturn, t.ref, left.word.raw, 0, now);
    if (!left.done) return exit_queued(cpu, t);  // a kill came first
    if (left.word.state() == abi::ThreadState::kUnplaced)
        became_unplaced(t, left.word);
    else if (t.domain)
        t.domain->post_event(t.ref.index, left.word.cpu());
    t.release();
}

bool settle_queued(Cpu& cpu, Thread& t) {
    t.word().clear_requests(abi::kRequestAffinity);  // before the look: a change after it asks anew
    const auto requests = t.word().load().requests();
    if (!(requests & ~abi::kRequestAffinity) && t.allowed_on(cpu.number)) return true;
    if (t.queue_link.linked()) remove_queued(cpu, t);
    if (requests & abi::kRequestKill)
        exit_queued(cpu, t);
    else
        unplace_queued(cpu, t,
                       requests & abi::kRequestSuspend  ? Cause::kResumed  // unless it is suspended indeed
                       : requests & abi::kRequestRecall ? Cause::kRecalled
                                                        : Cause::kAffinityChanged);
    return false;
}

namespace {

// Not the agent.
[[gnu::noinline]] void accept_thread(Cpu& cpu, Thread& t) {
    if (!settle_queued(cpu, t)) return;  // a request that came while it was on its way
    // Placed by the kernel just before a server attached.
    if (t.domain && placed_by_kernel(t) && t.domain->attached())
        return unplace_queued(cpu, t, Cause::kReturned);
    t.slice_used = t.turn_used = 0;
    t.resume &= ~Thread::kInterrupted;
    if (t.place_flags & abi::kCommitPreempt) make_room(cpu);
    push_queued(cpu, t, t.place_flags & abi::kCommitHead);
}

}  // namespace

void accept(Cpu& cpu, Thread& t) {
    if (!agent_at_work(cpu, t) || cpu.agent_ready) return accept_thread(cpu, t);
    ready_agent(cpu, t);
}

arch::TrapFrame* check_queued(const Thread& thread, bool queued) {
    COX_ASSERT(thread.queue_link.linked() == queued);
    return nullptr;
}

void look_at_timer(Cpu& cpu) {
    check_owner(cpu);
    cpu.timed_well = is_timed_well(cpu);
    if (!cpu.timed_well) look_again(cpu);
}

void remove_queued(Cpu& cpu, Thread& thread) {
    look_again(cpu);
    cpu.queue.remove(thread);
    cpu.kernel_placed_queued -= placed_by_kernel(thread);
}

void return_fallback_threads(Cpu& cpu) {
    for (auto left = cpu.queue.size(); left > 0; --left) {
        Thread& thread = *pop_queued(cpu);
        if (thread.domain && placed_by_kernel(thread) && thread.domain->attached())
            unplace_queued(cpu, thread, Cause::kReturned);
        else
            push_queued(cpu, thread, false);
    }
    Thread* const t = cpu.current;
    if (t && t->domain && placed_by_kernel(*t) && t->domain->attached())
        unplace_current(cpu, Cause::kReturned);
}

}  // namespace cox
