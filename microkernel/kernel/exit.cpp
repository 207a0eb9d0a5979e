// SPDX-License-Identifier: MIT
#include "kernel/exit.hpp"

#include "kernel/dispatch.hpp"
#include "kernel/heap.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/park.hpp"
#include "kernel/poller.hpp"
#include "kernel/process.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/timers.hpp"
#include "kernel/trace.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::ThreadState;

namespace {

void finish_exit(Thread& thread, abi::ThreadWord word) {
    Cpu& cpu = this_cpu();
    if (tracing(core::kTraceStop)) trace(core::TraceEvent::kGone, thread.ref, word.raw, thread.exit_code);
    thread.ring.close();
    forget_park(thread);
    forget_ipc(thread);
    forget_timeout(cpu, thread);
    thread.page_fault.forget();
    if (thread.polls) end_polling(thread);
    end_poller(thread);
    if (thread.domain) thread.domain->post_event(thread.ref.index, word.cpu());
    if (thread.is_agent()) thread.agent_of.load()->agent_gone(thread);
    thread.process->thread_gone(thread.exit_code);
    if (!thread.ring.leave_ending()) thread.ending.come(thread.exit_code);
    thread.release();
}

}  // namespace

void exit_current(Cpu& cpu, std::uint64_t code, abi::Cause cause) {
    Thread& thread = take_off(cpu);
    thread.exit_code = code;
    const auto gone = thread.word().exit(cause);
    COX_ASSERT(gone.done);
    if (tracing(core::kTraceStop)) trace(core::TraceEvent::kStop, thread.ref, gone.word.raw, 0, cpu.since);
    finish_exit(thread, gone.word);
    thread.release();
}

void exit_queued(Cpu&, Thread& thread) {
    const auto gone = thread.word().exit(abi::Cause::kKilled);
    COX_ASSERT(gone.done);
    finish_exit(thread, gone.word);
    thread.release();
}

void kill_thread(Thread& thread, std::uint64_t code) {
    for (;;) {
        const auto before = thread.word().load();
        if (before.state() == ThreadState::kGone || before.state() == ThreadState::kFree) return;
        auto none = Thread::kNoCode;
        thread.exit_code.compare_exchange_strong(none, code);
        if (const auto asked = thread.word().request(abi::kRequestKill); asked.done) {
            return send_request(thread, asked.word.cpu());
        }
        const auto killed = thread.word().kill(before);
        if (!killed.done) continue;  // it has moved meanwhile
        if (before.wake_owed()) thread.wake_counts.cancelled.fetch_add(1, std::memory_order_release);
        if (before.state() == ThreadState::kUnplaced) left_unplaced(before);
        return finish_exit(thread, killed.word);
    }
}

bool take_back(Thread& thread) {
    const auto before = thread.word().load();
    if (before.state() != ThreadState::kCreated || !thread.word().kill(before).done) return false;
    thread.ring.close();
    if (thread.domain) thread.domain->post_event(thread.ref.index, before.cpu());
    thread.process->cancel_thread();
    thread.release();
    return true;
}

void reap_later(AddressSpace* space) {
    if (!space) return;
    Cpu& cpu = this_cpu();
    space->next_to_reap = cpu.reap_list;
    cpu.reap_list = space;
    look_again(cpu);
}

void reap(Cpu& cpu) {
    while (Process* process = cpu.dead_processes) {
        cpu.dead_processes = process->next_dead;
        process->finish_destroy();
    }
    AddressSpace* list = std::exchange(cpu.reap_list, nullptr);
    while (list) {
        AddressSpace* space = std::exchange(list, list->next_to_reap);
        bool loaded = space->users.load() != 0;
        for (const Cpu& other : online_cpus()) {
            loaded |= other.active_space.load() == space || other.loaded_space.load() == space;
        }
        if (loaded)
            reap_later(space);
        else
            dispose(space);
    }
}

}  // namespace cox
