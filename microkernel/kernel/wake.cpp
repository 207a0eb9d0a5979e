// SPDX-License-Identifier: MIT
#include "kernel/wake.hpp"

#include <bit>

#include "arch/asm.hpp"
#include "kernel/cpu.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

using abi::Cause;
using abi::ThreadState;

namespace {

// The CPU for a thread that the kernel places: where it ran last if it may run there.
std::uint32_t kernel_choice(const Thread& thread, std::uint32_t last) {
    if (thread.allowed_on(last)) return last;
    const auto allowed = thread.line.affinity.load(std::memory_order_relaxed) & online_mask();
    return static_cast<std::uint32_t>(std::countr_zero(allowed));
}

void write_kernel_placement(Thread& thread) {
    thread.slice = 0;
    thread.place_flags = 0;
}

}  // namespace

void wake(Thread& thread, Cause cause) {
    thread.line.wakes.fetch_add(1, std::memory_order_relaxed);
    thread.line.runnable_since.store(arch::rdtsc(), std::memory_order_relaxed);
    if (thread.domain) {
        const auto woken = thread.word().wake();
        if (!woken.done || woken.word.state() != ThreadState::kUnplaced) return;  // it had not blocked yet, or has gone
        thread.set_cause(cause);
        became_unplaced(thread, woken.word);
        return;
    }
    const auto woken = thread.word().wake_to_queue();
    if (!woken.done || woken.word.state() != ThreadState::kQueued || woken.word.wake_pending()) return;
    thread.set_cause(cause);
    write_kernel_placement(thread);
    enqueue_on(woken.word.cpu(), thread);
}

void became_unplaced(Thread& thread, abi::ThreadWord word) {
    online_cpus()[word.cpu()].unplaced_here.fetch_add(1, std::memory_order_relaxed);
    // Pairs with the fence in SchedDomain::fall_back: it sees the thread unplaced, or this sees the domain fallen back.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (thread.domain && root_domain.attached()) root_domain.post_event(thread.ref.index, word.cpu());
    else place_by_kernel(thread, word, Cause::kNoServer);
}

void left_unplaced(abi::ThreadWord word) {
    online_cpus()[word.cpu()].unplaced_here.fetch_sub(1, std::memory_order_relaxed);
}

void place_by_kernel(Thread& thread, abi::ThreadWord word, Cause cause) {
    const auto cpu = kernel_choice(thread, word.cpu());
    if (!thread.word().place(word, cpu, true).done) return;
    left_unplaced(word);
    thread.set_cause(cause);
    write_kernel_placement(thread);
    enqueue_on(cpu, thread);
}

void enqueue_on(std::uint32_t number, Thread& thread) {
    Cpu& self = this_cpu();
    thread.retain();  // for the queue
    if (number == self.number) return accept(self, thread);
    Cpu& target = online_cpus()[number];
    if (target.inbox.push(thread.place) == core::PushResult::kNotify) send_reschedule(self, target);
}

}  // namespace cox
