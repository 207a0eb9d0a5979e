// SPDX-License-Identifier: MIT
// Direct switches: from a thread of the domain that yields or parks straight to the next in its CPU's queue, when the server has
// placed both, hints say what to do with the one that stops, and nothing else is to be done.
//
// What leave_kernel looks at besides has not changed since this CPU last left the kernel, or exit_work would say kLook. What
// other CPUs ask comes with an interrupt, which is taken as soon as the next thread runs. The timer stays as it is armed: that is
// right if it is early enough for the turn of the next one.
#include "kernel/calls.hpp"
#include "kernel/context.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/trace.hpp"

namespace cox {

using abi::Cause;

namespace {

bool ends_late_enough(const Cpu& cpu, const Thread& t, std::uint64_t start) {
    return t.slice == 0 || start + t.slice - t.slice_used >= cpu.armed_deadline;
}

// The head of the queue, if it can be switched to. Its requests are looked at by the transition.
Thread* next_thread(const Cpu& cpu, std::uint64_t now) {
    Thread* const next = cpu.queue.front();
    if (!next || cpu.kernel_placed_queued || tracing(core::kTraceStop | core::kTraceDispatch)) return nullptr;
    if (next->waiting == Thread::Waiting::kInEnter || next->interrupted || next->frame.rip >= abi::kUserTop)
        return nullptr;
    return ends_late_enough(cpu, *next, now) ? next : nullptr;
}

[[gnu::noinline]] arch::TrapFrame* ordinary_way(Cpu& cpu, std::uint64_t ran = 0) {
    use_up(*cpu.current, ran);
    finish_exit_work(cpu);
    return leave_kernel(cpu);
}

// Woken before it was parked, or to die.
[[gnu::noinline]] arch::TrapFrame* stays(Cpu& cpu, std::uint64_t ran, bool woken) {
    Thread& t = *cpu.current;
    t.waiting = Thread::Waiting::kNot;
    if (!woken) return ordinary_way(cpu, ran);
    use_up(t, ran);
    finish_park(cpu, t);
    cpu.exit_work = 0;
    return &t.frame;
}

void account(Cpu& cpu, std::uint64_t now) {
    cpu.stats.domain_ticks += now - cpu.since;
    cpu.since = now;
}

// A request came for the next thread.
[[gnu::noinline]] arch::TrapFrame* look_at_request(Cpu& cpu, Thread& next) {
    cpu.current = nullptr;
    cpu.queue.push_front(next);
    return leave_kernel(cpu);
}

// The current thread has stopped, `next` has left the queue. The frame to go on with.
[[gnu::always_inline]] inline arch::TrapFrame* switch_to(Cpu& cpu, Thread& next, std::uint64_t now) {
    cpu.exit_work = 0;
    if (!next.word().dispatch().done) [[unlikely]]
        return look_at_request(cpu, next);
    cpu.current = &next;
    ++cpu.stats.server_dispatches;
    load_fpu(cpu, next);
    load_context(cpu, next, now);
    if (next.waiting == Thread::Waiting::kParked) finish_park(cpu, next);
    return &next.frame;
}

[[gnu::noinline]] arch::TrapFrame* yield_directly(Cpu& cpu) {
    Thread& t = *cpu.current;
    const auto now = arch::rdtsc();
    Thread* const next = next_thread(cpu, now);
    if (!next) return ordinary_way(cpu);
    const auto hint = root_domain.rotate_hint(t);
    if (!hint.given) return ordinary_way(cpu);
    const auto ran = save_context(t, now);
    if (!t.word().requeue_placed(Cause::kYielded).done) [[unlikely]]
        return ordinary_way(cpu, ran);
    account(cpu, now);
    t.slice = hint.slice;
    t.slice_used = t.turn_used = 0;
    t.queued_since = now;
    cpu.queue.rotate(t);
    return switch_to(cpu, *next, now);
}

[[gnu::noinline]] arch::TrapFrame* park_directly(Cpu& cpu) {
    Thread& t = *cpu.current;
    const auto now = arch::rdtsc();
    Thread* const next = next_thread(cpu, now);
    if (!next || t.enter.deadline != kNever) return ordinary_way(cpu);
    if (!root_domain.wake_hint(t).given) return ordinary_way(cpu);
    const auto ran = save_context(t, now);
    t.waiting = Thread::Waiting::kParked;
    const auto blocked = t.word().block();
    if (!blocked.done || blocked.word.state() == abi::ThreadState::kRunning) [[unlikely]]
        return stays(cpu, ran, blocked.done);
    account(cpu, now);
    (void)cpu.queue.pop_front();
    t.release();
    return switch_to(cpu, *next, now);
}

}  // namespace

// What is left of a call that changes who runs. Its thread's frame is complete.
extern "C" arch::TrapFrame* finish_call() {
    Cpu& cpu = this_cpu();
    switch (cpu.exit_work) {
        case kYield: return yield_directly(cpu);
        case kPark: return park_directly(cpu);
        default: return ordinary_way(cpu);
    }
}

}  // namespace cox
