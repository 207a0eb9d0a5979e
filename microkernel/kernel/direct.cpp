// SPDX-License-Identifier: MIT
// Direct switches: from a thread of the domain that yields or parks straight to the next in its CPU's queue, when the server has
// placed both, hints say what to do with the one that stops, and nothing else is to be done.
//
// What leave_kernel looks at besides has not changed since this CPU last left the kernel, or exit_work would say kLook. What
// other CPUs ask comes with an interrupt, which is taken as soon as the next thread runs. The timer stays as it is armed: that is
// right if it is early enough for the turn of the next one. The CPU's time is not accounted: it goes on being the domain's.
//
// The quick way calls nothing, so that it saves no registers: whatever is not quick is a jump, to functions that see to the rest.
#include "kernel/calls.hpp"
#include "kernel/context.hpp"
#include "kernel/direct_agent.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

using abi::Cause;

extern "C" arch::TrapFrame* yield_directly();
extern "C" arch::TrapFrame* park_directly();

namespace {

bool ends_late_enough(const Cpu& cpu, const Thread& t, std::uint64_t start) {
    return t.slice == 0 || start + t.slice - t.slice_used >= cpu.armed_deadline;
}

// What is to be done is done by all who could have a part in it.
[[gnu::noinline]] arch::TrapFrame* ordinary_way(Cpu& cpu, ExitWork work) {
    cpu.exit_work |= work;
    finish_exit_work(cpu);
    return leave_kernel(cpu);
}

// The current thread's context is saved already, but it has been woken before it was parked, or was asked for something.
[[gnu::noinline]] arch::TrapFrame* ordinary_way_after(Cpu& cpu, ExitWork work, std::uint64_t ran) {
    use_up(*cpu.current, ran);
    return ordinary_way(cpu, work);
}

// The next thread has more to do than to run on. Nothing is decided yet: what can be done here is done, then it is tried again.
[[gnu::noinline]] arch::TrapFrame* resume_first(Cpu& cpu, ExitWork work, Thread& next) {
    if (next.resume != Thread::kInPark) return ordinary_way(cpu, work);
    finish_park(cpu, next);
    return work == kYield ? yield_directly() : park_directly();
}

// A request came for the next thread.
[[gnu::noinline]] arch::TrapFrame* look_at_request(Cpu& cpu, Thread& next) {
    cpu.current = nullptr;
    cpu.queue.push_front(next);
    return leave_kernel(cpu);
}

[[gnu::noinline]] arch::TrapFrame* go_on_in_other_space(Cpu& cpu, Thread& next) {
    load_space(cpu, &next.process->space());
    return &next.frame;
}

// A thread of `process` has stopped, `next` has left the queue. The frame to go on with.
[[gnu::always_inline]] inline arch::TrapFrame* switch_to(Cpu& cpu, const Process& process, Thread& next,
                                                         std::uint64_t now) {
    if (!next.word().dispatch().done) [[unlikely]]
        return look_at_request(cpu, next);
    cpu.current = &next;
    ++cpu.stats.server_dispatches;
    next.fpu.restore_extended();
    owns_fpu(cpu, next);
    load_registers(cpu, next, now);
    return next.process.get() == &process ? &next.frame : go_on_in_other_space(cpu, next);
}

// The stopped thread has been killed meanwhile, and the reference by which it was current was the last.
[[gnu::noinline]] arch::TrapFrame* switch_from_dead(Cpu& cpu, Thread& stopped, Thread& next,
                                                    std::uint64_t now) {
    const RefPtr<Process> process = stopped.process;
    stopped.destroy_dropped();
    return switch_to(cpu, *process, next, now);
}

}  // namespace

// Of the current thread, its frame complete, from entry.S: -> the frame to go on with.

extern "C" arch::TrapFrame* yield_directly() {
    Cpu& cpu = this_cpu();
    Thread& t = *cpu.current;
    const auto now = arch::rdtsc();
    Thread* const next = cpu.queue.front();
    if (!next || cpu.kernel_placed_queued || !cpu.switches_directly) [[unlikely]]
        return ordinary_way(cpu, kYield);
    if (next->resume) [[unlikely]]
        return resume_first(cpu, kYield, *next);
    const auto hint = SchedDomain::direct_rotate_hint(t);
    if (!hint.given || !ends_late_enough(cpu, *next, now)) [[unlikely]]
        return ordinary_way(cpu, kYield);
    t.slice = hint.slice;
    core::ThreadStateWord word = t.word();
    t.fpu.save_optimized();
    const auto ran = save_times(t, now);
    if (!word.requeue_placed(Cause::kYielded).done) [[unlikely]]
        return ordinary_way_after(cpu, kYield, ran);
    t.slice_used = t.turn_used = 0;
    t.queued_since = now;
    if (t.queue_link.linked()) [[unlikely]]
        return check_queued(t, false);
    cpu.queue.rotate(t);
    return switch_to(cpu, *t.process, *next, now);
}

extern "C" arch::TrapFrame* park_directly() {
    Cpu& cpu = this_cpu();
    Thread& t = *cpu.current;
    const auto now = arch::rdtsc();
    Thread* const next = cpu.queue.front();
    if (!next || cpu.kernel_placed_queued || !cpu.switches_directly) [[unlikely]]
        return ordinary_way(cpu, kPark);
    if (next->resume) [[unlikely]]
        return resume_first(cpu, kPark, *next);
    // Hinted to another CPU: whether it may wake there is the ordinary way's to find out.
    if (!SchedDomain::wakes_on(t, cpu.number) || !ends_late_enough(cpu, *next, now)) [[unlikely]]
        return ordinary_way(cpu, kPark);
    core::ThreadStateWord word = t.word();
    t.fpu.save_optimized();
    const auto ran = save_times(t, now);
    if (!word.block_placed().done) [[unlikely]]
        return ordinary_way_after(cpu, kPark, ran);
    if (!next->queue_link.linked()) [[unlikely]]
        return check_queued(*next, true);
    cpu.queue.drop_front(*next);
    if (t.drop()) [[unlikely]]
        return switch_from_dead(cpu, t, *next, now);
    return switch_to(cpu, *t.process, *next, now);
}

// What is left of a call that changes who runs, and is not for one of these.
extern "C" arch::TrapFrame* finish_call() {
    Cpu& cpu = this_cpu();
    if (cpu.exit_work & (kAgentWoken | kWaitForEvents | kCommitAndSwitch)) [[unlikely]] {
        if (cpu.exit_work == kCommitAndSwitch) return commit_and_switch(cpu);
        const auto work = cpu.exit_work & ~(kQueued | kWatch);
        if (work == kAgentWoken) return switch_to_agent(cpu);
        if (work == kWaitForEvents) return switch_from_agent(cpu);
    }
    return ordinary_way(cpu, kNothing);
}

}  // namespace cox
