// SPDX-License-Identifier: MIT
// Making threads runnable, and handing them to a CPU. Any CPU; no lock held.
#pragma once
#include "abi/sched.hpp"
#include "arch/asm.hpp"
#include "kernel/cpu.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread.hpp"
#include "kernel/trace.hpp"

namespace cox {

// What a thread waited for has come: it is queued by the kernel, or unplaced and the server told.
void wake(Thread& thread);
// The same, and gives up the caller's reference.
void wake_held(Thread& thread);
// The same for an agent.
void wake_agent(Thread& agent);
// The same as wake_held() in two steps, for those who look at the common case themselves: it waits, and is hinted to this CPU. Then it is queued
// here, the reference is the queue's, and unless Cpu::timed_well look_at_timer() is to follow. False: wake_further() does the rest.
std::uint64_t begin_wake(Thread& thread);
bool wake_here(Cpu& self, Thread& thread, std::uint64_t now);
void wake_further(Thread& thread, std::uint64_t now);

// A created thread begins in the same way. False: it has been started before, or has gone.
[[nodiscard]] bool start_thread(Thread& thread);

// The caller has just moved the thread to unplaced (a thread of the domain) or, for a wake, to queued (one that the kernel places).
void made_runnable(Thread& thread, abi::ThreadWord word, std::uint64_t since);
// The same to queued without a wake: it was runnable before.
void resumed_to_queue(Thread& thread, abi::ThreadWord word, std::uint64_t since);

// The caller has just moved the thread to unplaced. Posts its event, or places it if there is no server.
void became_unplaced(Thread& thread, abi::ThreadWord word);

// Unplaced → queued by the kernel, on the CPU where it ran last. Nothing happens if somebody else has moved it since, or while the
// domain has no CPU that it may use.
void place_by_kernel(Thread& thread, abi::ThreadWord word, abi::Cause cause);

// Gives a thread that the caller has moved to queued on `cpu`, whose placement is written, to that CPU, with a reference.
void hand_over(std::uint32_t cpu, Thread& thread);
// The same without one.
void enqueue_on(std::uint32_t cpu, Thread& thread);

// An unplaced thread has been moved elsewhere by whoever calls this.
void left_unplaced(abi::ThreadWord word);

[[gnu::always_inline]] inline std::uint64_t begin_wake(Thread& thread) {
    abi::StatusLine& line = thread.line;
    line.wakes.fetch_add(1, std::memory_order_relaxed);
    const auto now = arch::rdtsc();
    line.runnable_since.store(now, std::memory_order_relaxed);
    return now;
}

// The thread has just been moved to queued on that CPU, where its affinity allowed it before. A change of affinity asks only those who run
// or are queued already; one that came in between is asked for here, since a direct switch looks at requests alone.
[[gnu::always_inline]] inline void ask_misfit(Thread& thread, std::uint32_t cpu) {
    if (!thread.allowed_on(cpu)) [[unlikely]]
        thread.word().request(abi::kRequestAffinity);
}

[[gnu::always_inline]] inline bool wake_here(Cpu& self, Thread& thread, std::uint64_t now) {
    const std::uint32_t here = self.number;
    if (thread.domain != self.direct_domain) [[unlikely]]
        return false;
    const auto hint = SchedDomain::wake_hint_to(thread, here);
    if (!hint.given) [[unlikely]]
        return false;
    if (!thread.word().wake_waiting(here).done) [[unlikely]]
        return false;
    ask_misfit(thread, here);
    WakeCounts::add(thread.wake_counts.hinted);
    thread.slice = hint.slice;
    accept_woken(self, thread, now);
    return true;
}

}  // namespace cox
