// SPDX-License-Identifier: MIT
#include "kernel/timers.hpp"

#include <algorithm>

#include "kernel/inbox_records.hpp"
#include "kernel/wake.hpp"

namespace cox {

namespace {

// This CPU becomes the timekeeper, if there is none, with the node out of the queue. False: there is one.
bool take_over(Cpu& cpu, Thread& thread) {
    std::uint32_t none = Thread::kNoCpu;
    if (!thread.timer_cpu.compare_exchange_strong(none, cpu.number)) return false;
    thread.retain();
    return true;
}

// The node, out of the queue, is made to agree with the deadline. It is read only now that this CPU is the timekeeper:
// the thread may have gone since it was read before, and then nobody tells of that any more (forget_timeout).
void keep_or_let_go(Cpu& cpu, Thread& thread) {
    const RefPtr<Thread> hold(thread);
    for (;;) {
        const auto deadline = thread.ring.deadline();
        if (deadline != kNever) return cpu.timers.insert(thread, deadline);
        thread.timer_cpu.store(Thread::kNoCpu);
        thread.release();
        // Unless a deadline was set in the meantime.
        if (thread.ring.deadline() == kNever || !take_over(cpu, thread)) return;
    }
}

}  // namespace

void arm_timeout(Cpu& cpu, Thread& thread, std::uint64_t deadline) {
    if (take_over(cpu, thread)) return cpu.timers.insert(thread, deadline);
    const auto keeper = thread.timer_cpu.load();
    if (keeper == cpu.number) {
        cpu.timers.remove(thread);
        cpu.timers.insert(thread, deadline);
    } else {
        // Also when it has just become free: then the record makes a CPU the timekeeper again.
        send_timer_record(thread, keeper == Thread::kNoCpu ? cpu.number : keeper);
    }
}

void disarm_timeout(Cpu& cpu, Thread& thread) {
    if (thread.timer_cpu.load() != cpu.number) return;
    cpu.timers.remove(thread);
    keep_or_let_go(cpu, thread);
}

void forget_timeout(Cpu& cpu, Thread& thread) {
    const auto keeper = thread.timer_cpu.load();
    if (keeper == cpu.number)
        disarm_timeout(cpu, thread);
    else if (keeper != Thread::kNoCpu)
        send_timer_record(thread, keeper);
}

std::uint64_t first_timeout(const Cpu& cpu) {
    const Thread* first = cpu.timers.min();
    return std::min(first ? first->timer.deadline() : kNever, next_alarm(cpu));
}

void expire_timeouts(Cpu& cpu, std::uint64_t now) {
    while (Thread* thread = cpu.timers.pop_expired(now)) {
        thread->timer_cpu.store(Thread::kNoCpu);  // the node is free, before the ring is looked at
        if (thread->ring.expire(now)) {           // with the wait the deadline has gone, too
            thread->timed_out = true;
            wake_held(
                *thread);  // with the node's reference. If a kill waits for the thread, it exits in there
            continue;
        }
        if (thread->ring.deadline() != kNever && take_over(cpu, *thread)) keep_or_let_go(cpu, *thread);
        thread->release();
    }
}

void serve_timer_record(Cpu& cpu, Thread& thread) {
    const auto keeper = thread.timer_cpu.load();
    if (keeper == cpu.number) {
        cpu.timers.remove(thread);
        keep_or_let_go(cpu, thread);
    } else if (keeper == Thread::kNoCpu && thread.ring.deadline() != kNever) {
        if (take_over(cpu, thread))
            keep_or_let_go(cpu, thread);
        else
            send_timer_record(thread, cpu.number);  // somebody else became it just now: look again
    }
}

}  // namespace cox
