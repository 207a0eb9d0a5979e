// SPDX-License-Identifier: MIT
#include "kernel/suspend.hpp"

#include "arch/asm.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::ThreadState;

namespace {

bool alive(abi::ThreadWord word) {
    return word.state() != ThreadState::kCreated && word.state() != ThreadState::kGone;
}

void tell_server(const Thread& thread, abi::ThreadWord word) {
    if (thread.domain) thread.domain->post_event(thread.ref.index, word.cpu());
}

}  // namespace

bool suspend_thread(Thread& thread) {
    for (;;) {
        const auto before = thread.word().load();
        // In this order: an agent is one before it starts.
        if (!alive(before) || thread.is_agent()) return false;
        if (before.state() == ThreadState::kSuspended) return true;
        if (const auto asked = thread.word().request(abi::kRequestSuspend); asked.done) {
            send_request(thread, asked.word.cpu());
            return true;
        }
        const auto suspended = thread.word().suspend(before);
        if (!suspended.done) continue;  // it has moved meanwhile
        if (before.state() == ThreadState::kUnplaced) left_unplaced(before);
        tell_server(thread, suspended.word);
        return true;
    }
}

bool resume_thread(Thread& thread) {
    for (;;) {
        // Takes back what its CPU has not looked at yet.
        const auto before = thread.word().clear_requests(abi::kRequestSuspend).word;
        if (before.state() != ThreadState::kSuspended) return alive(before);
        const auto now = arch::rdtsc();
        thread.line.runnable_since.store(now, std::memory_order_relaxed);
        const auto resumed = thread.word().resume(before, !thread.domain);
        if (!resumed.done) continue;  // woken, killed, or resumed by another
        if (resumed.word.state() == ThreadState::kWaiting)
            tell_server(thread, resumed.word);
        else if (thread.domain || before.wake_owed())
            made_runnable(thread, resumed.word, now);
        else
            resumed_to_queue(thread, resumed.word, now);
        return true;
    }
}

}  // namespace cox
