// SPDX-License-Identifier: MIT
#include "kernel/wake.hpp"

#include <bit>

#include "arch/asm.hpp"
#include "kernel/cpu.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/selftest.hpp"
#include "kernel/trace.hpp"

namespace cox {

using abi::Cause;
using abi::ThreadState;

namespace {

// The CPU for a thread that the kernel places: where it ran last if it may run there; kNoCpu: all that it may use have been taken
// from its domain.
std::uint32_t kernel_choice(const Thread& thread, std::uint32_t last) {
    const auto usable = thread.domain ? thread.domain->usable_cpus(thread)
                                      : thread.line.affinity.load(std::memory_order_relaxed) & online_mask();
    if (usable >> last & 1) return last;
    return usable ? static_cast<std::uint32_t>(std::countr_zero(usable)) : Thread::kNoCpu;
}

void write_kernel_placement(Thread& thread) {
    thread.slice = 0;
    thread.place_flags = 0;
}

// The wake has not made the thread runnable, whose word is this now; `done`: it has set a bit there.
[[gnu::noinline]] void place_nobody(Thread& thread, bool done, abi::ThreadWord word) {
    if (done && word.state() == ThreadState::kSuspended)
        return;  // it is owed until the thread was resumed and placed
    auto& counts = thread.wake_counts;
    (word.state() == ThreadState::kGone ? counts.cancelled : counts.coalesced)
        .fetch_add(1, std::memory_order_release);
}

[[gnu::always_inline]] inline void unplaced(Thread& thread, abi::ThreadWord word) {
    Cpu& self = this_cpu();
    SchedDomain* const domain = thread.domain;
    const bool here = word.cpu() == self.number;
    Cpu& home = here ? self : online_cpus()[word.cpu()];
    // The CPU watches over what waits there, from the first on.
    if (home.unplaced_here.fetch_add(1, std::memory_order_relaxed) <= 0 && domain) {
        if (here)
            self.exit_work |= kWatch;
        else
            send_attention(home);
    }
    // Pairs with the fence in SchedDomain::fall_back: it sees the thread unplaced, or this sees the domain fallen back.
    arch::full_fence();
    if (domain && domain->attached())
        domain->post_event(thread.ref.index, word.cpu());
    else
        place_by_kernel(thread, word, Cause::kNoServer);
}

[[gnu::always_inline]] inline void runnable(Thread& thread, abi::ThreadWord word, std::uint64_t since) {
    if (tracing(core::kTraceWake)) trace(core::TraceEvent::kWake, thread.ref, word.raw, 0, since);
    if (word.state() == ThreadState::kUnplaced) return unplaced(thread, word);
    WakeCounts::add(thread.wake_counts.by_kernel);
    write_kernel_placement(thread);
    enqueue_on(word.cpu(), thread);
}

[[gnu::always_inline]] inline void wake_unhinted(Thread& thread, std::uint64_t now) {
    const auto woken = thread.domain ? thread.word().wake() : thread.word().wake_to_queue();
    // Else it had not blocked yet, and will not; or it is suspended; or it has gone.
    if (!woken.done || woken.word.wake_pending()) return place_nobody(thread, woken.done, woken.word);
    runnable(thread, woken.word, now);
}

[[gnu::noinline]] void give_up(Thread& thread) { thread.release(); }

[[gnu::noinline]] void wake_without_hint(Thread& thread, std::uint64_t now) {
    wake_unhinted(thread, now);
    give_up(thread);
}

[[gnu::noinline]] void send_over(Cpu& self, std::uint32_t number, Thread& thread) {
    Cpu& target = online_cpus()[number];
    if (target.inbox.push(thread.place) == core::PushResult::kNotify) send_reschedule(self, target);
}

[[gnu::always_inline]] inline void queue_agent(Thread& agent, abi::ThreadWord word) {
    WakeCounts::add(agent.wake_counts.by_kernel);
    write_kernel_placement(agent);
    Cpu& self = this_cpu();
    if (word.cpu() == self.number && !self.agent_ready && agent_at_work(self, agent)) [[likely]]
        return ready_agent(self, agent);
    hand_over(word.cpu(), agent);
}
[[gnu::noinline]] void queue_agent_traced(Thread& agent, abi::ThreadWord word, std::uint64_t now) {
    trace(core::TraceEvent::kWake, agent.ref, word.raw, 0, now);
    queue_agent(agent, word);
}
[[gnu::noinline]] void queue_no_agent(Thread& agent, core::Transition woken) {
    place_nobody(agent, woken.done, woken.word);
    give_up(agent);
}

}  // namespace

// Not hinted, not waiting, for another CPU, or traced.
void wake_further(Thread& thread, std::uint64_t now) {
    const auto hint = SchedDomain::wake_hint(thread);
    if (!hint.given || !thread.domain->has_cpu(static_cast<std::uint8_t>(hint.cpu)))
        return wake_without_hint(thread, now);
    const auto woken = thread.word().wake_hinted(hint.cpu);
    if (!woken.done || woken.word.wake_pending()) {
        place_nobody(thread, woken.done, woken.word);
        return give_up(thread);
    }
    WakeCounts::add(thread.wake_counts.hinted);
    if (tracing(core::kTraceWake)) trace(core::TraceEvent::kWake, thread.ref, woken.word.raw, 0, now);
    thread.slice = hint.slice;
    thread.place_flags = 0;
    hand_over(hint.cpu, thread);
}

void made_runnable(Thread& thread, abi::ThreadWord word, std::uint64_t since) {
    runnable(thread, word, since);
}

void resumed_to_queue(Thread& thread, abi::ThreadWord word, std::uint64_t since) {
    if (tracing(core::kTraceWake)) trace(core::TraceEvent::kWake, thread.ref, word.raw, 0, since);
    write_kernel_placement(thread);
    enqueue_on(word.cpu(), thread);
}

bool start_thread(Thread& thread) {
    if (thread.word().load().state() != ThreadState::kCreated) return false;
    const auto now = arch::rdtsc();
    thread.line.runnable_since.store(now, std::memory_order_relaxed);
    thread.line.wakes.fetch_add(1, std::memory_order_relaxed);
    const auto started = thread.domain ? thread.word().start() : thread.word().start_to_queue();
    if (!started.done) {
        place_nobody(thread, false, started.word);
        return false;
    }
    made_runnable(thread, started.word, now);
    return true;
}

namespace {
[[gnu::noinline]] void wake_with_hint(Thread& thread, std::uint64_t now) {
    Cpu& self = this_cpu();
    if (!wake_here(self, thread, now)) return wake_further(thread, now);
    if (!self.timed_well) look_at_timer(self);
}
}  // namespace

void wake(Thread& thread) {
    thread.retain();
    wake_held(thread);
}

void wake_held(Thread& thread) {
    const auto now = begin_wake(thread);
    if (thread.hint_line.word.load(std::memory_order_relaxed) & abi::kHintWake)
        return wake_with_hint(thread, now);
    wake_without_hint(thread, now);
}

// No server has a say about it: it has no hints, and is queued on its CPU. The caller's reference is the queue's.
void wake_agent(Thread& agent) {
    const auto now = begin_wake(agent);
    const auto woken = agent.word().wake_to_queue();
    if (!woken.done || woken.word.wake_pending()) [[unlikely]]
        return queue_no_agent(agent, woken);
    if (tracing(core::kTraceWake)) [[unlikely]]
        return queue_agent_traced(agent, woken.word, now);
    queue_agent(agent, woken.word);
}

void became_unplaced(Thread& thread, abi::ThreadWord word) { unplaced(thread, word); }

void left_unplaced(abi::ThreadWord word) {
    online_cpus()[word.cpu()].unplaced_here.fetch_sub(1, std::memory_order_relaxed);
}

void place_by_kernel(Thread& thread, abi::ThreadWord word, Cause cause) {
    const auto cpu = kernel_choice(thread, word.cpu());
    if (cpu == Thread::kNoCpu) return;  // it is placed when one is returned
    const auto placed = thread.word().place_by_kernel(word, cpu, cause);
    if (!placed.done) return;
    if (word.wake_owed() && !forgets_wake(thread)) WakeCounts::add(thread.wake_counts.by_kernel);
    if (tracing(core::kTraceCommit)) trace(core::TraceEvent::kPlace, thread.ref, placed.word.raw);
    left_unplaced(word);
    write_kernel_placement(thread);
    enqueue_on(cpu, thread);
}

void hand_over(std::uint32_t number, Thread& thread) {
    Cpu& self = this_cpu();
    if (number == self.number) return accept(self, thread);
    send_over(self, number, thread);
}

void enqueue_on(std::uint32_t number, Thread& thread) {
    thread.retain();  // for the queue
    hand_over(number, thread);
}

}  // namespace cox
