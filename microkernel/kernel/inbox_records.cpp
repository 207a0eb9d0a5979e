// SPDX-License-Identifier: MIT
#include "kernel/inbox_records.hpp"

#include "core/owner_of.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/timers.hpp"

namespace cox {

using abi::ThreadState;

namespace {

// Pushes a thread's record with a reference of its own, unless it is on its way already.
void push(Thread& thread, core::InboxNode& node, std::uint32_t number) {
    Cpu& self = this_cpu();
    Cpu& target = online_cpus()[number];
    thread.retain();
    switch (target.inbox.push(node)) {
        case core::PushResult::kAlreadyQueued: thread.release(); break;
        case core::PushResult::kQueued: break;
        case core::PushResult::kNotify: send_reschedule(self, target); break;
    }
}

// The word is looked at as it is now: the thread may have moved on since the request was sent.
void serve_request(Cpu& cpu, Thread& thread) {
    const auto word = thread.word().load();
    if (word.requests() == 0) return;
    if (word.state() != ThreadState::kQueued && word.state() != ThreadState::kRunning) return;
    if (word.cpu() != cpu.number) return send_request(thread, word.cpu());
    // Else it is seen at the kernel's exit, or when it arrives.
    if (&thread != cpu.current && thread.queue_link.linked()) settle_queued(cpu, thread);
}

// A thread was moved to queued here. It is turned away where its domain has lost this CPU meanwhile.
void serve_place(Cpu& cpu, Thread& thread) {
    if (thread.domain && thread.domain != cpu.domain) [[unlikely]]
        return unplace_queued(cpu, thread, abi::Cause::kCpuLost);
    accept(cpu, thread);
}

void serve_attention(Cpu& cpu) {
    look_at_domain(cpu);
    if (cpu.return_fallback.exchange(false)) return_fallback_threads(cpu);
}

}  // namespace

void serve_inbox(Cpu& cpu) {
    if (cpu.inbox.empty()) return;
    for (auto batch = cpu.inbox.take_all(); core::InboxNode* node = batch.pop();) {
        switch (static_cast<RecordKind>(node->kind())) {
            case RecordKind::kPlace: serve_place(cpu, core::owner_of<&Thread::place>(*node)); break;
            case RecordKind::kRequest: {
                const auto thread = RefPtr<Thread>::adopt(&core::owner_of<&Thread::request>(*node));
                serve_request(cpu, *thread);
                break;
            }
            case RecordKind::kTimer: {
                const auto thread = RefPtr<Thread>::adopt(&core::owner_of<&Thread::timer_record>(*node));
                serve_timer_record(cpu, *thread);
                break;
            }
            case RecordKind::kAlarm: {
                const auto alarm = RefPtr<Alarm>::adopt(&core::owner_of<&Alarm::record>(*node));
                serve_alarm_record(cpu, *alarm);
                break;
            }
            case RecordKind::kAttention: serve_attention(cpu); break;
        }
    }
}

void send_request(Thread& thread, std::uint32_t cpu) { push(thread, thread.request, cpu); }
void send_timer_record(Thread& thread, std::uint32_t cpu) { push(thread, thread.timer_record, cpu); }

void send_attention(Cpu& target) {
    Cpu& self = this_cpu();
    if (target.inbox.push(target.attention) == core::PushResult::kNotify) send_reschedule(self, target);
}

}  // namespace cox
