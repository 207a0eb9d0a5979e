// SPDX-License-Identifier: MIT
#include "kernel/timers.hpp"

#include "kernel/inbox_records.hpp"
#include "kernel/wake.hpp"

namespace cox {

namespace {

// This CPU becomes the timekeeper, if there is none. False: there is one.
bool take_over(Cpu& cpu, Thread& thread, std::uint64_t deadline) {
    std::uint32_t none = Thread::kNoCpu;
    if (!thread.timer_cpu.compare_exchange_strong(none, cpu.number)) return false;
    thread.retain();
    cpu.timers.insert(thread, deadline);
    return true;
}

// The node is out of the queue and becomes free; unless a deadline was set in the meantime.
void let_go(Cpu& cpu, Thread& thread) {
    thread.timer_cpu.store(Thread::kNoCpu);
    const auto deadline = thread.wait_deadline.load();
    if (deadline != kNever) take_over(cpu, thread, deadline);
    thread.release();
}

}  // namespace

void arm_timeout(Cpu& cpu, Thread& thread, std::uint64_t deadline) {
    thread.deadline_parity ^= 1;
    deadline = (deadline & ~std::uint64_t{1}) | thread.deadline_parity;  // never equal to the one before
    thread.wait_deadline.store(deadline);
    if (take_over(cpu, thread, deadline)) return;
    const auto keeper = thread.timer_cpu.load();
    if (keeper == cpu.number) {
        cpu.timers.remove(thread);
        cpu.timers.insert(thread, deadline);
    } else {
        // Also when it has just become free: then the record makes that CPU the timekeeper again.
        send_timer_record(thread, keeper == Thread::kNoCpu ? cpu.number : keeper);
    }
}

void disarm_timeout(Cpu& cpu, Thread& thread) {
    thread.wait_deadline.store(kNever);
    if (thread.timer_cpu.load() != cpu.number) return;
    cpu.timers.remove(thread);
    let_go(cpu, thread);
}

std::uint64_t next_timeout(const Cpu& cpu) {
    const Thread* first = cpu.timers.min();
    return first ? first->timer.deadline() : kNever;
}

void expire_timeouts(Cpu& cpu, std::uint64_t now) {
    while (Thread* thread = cpu.timers.pop_expired(now)) {
        const auto deadline = thread->wait_deadline.load();
        if (deadline != kNever && deadline > now) {
            cpu.timers.insert(*thread, deadline);
            continue;
        }
        const RefPtr<Thread> hold(*thread);
        const bool waits = deadline != kNever && thread->ring.end_wait();
        // If it does not wait for that deadline any more, it may have a new one by now: that one stays.
        auto seen = deadline;
        thread->wait_deadline.compare_exchange_strong(seen, kNever);
        if (waits) {
            thread->timed_out = true;
            wake(*thread, abi::Cause::kWoken);
        }
        let_go(cpu, *thread);
    }
}

void serve_timer_record(Cpu& cpu, Thread& thread) {
    const auto deadline = thread.wait_deadline.load();
    const auto keeper = thread.timer_cpu.load();
    if (keeper == cpu.number) {
        cpu.timers.remove(thread);
        if (deadline == kNever) let_go(cpu, thread);
        else cpu.timers.insert(thread, deadline);
    } else if (keeper == Thread::kNoCpu && deadline != kNever && !take_over(cpu, thread, deadline)) {
        send_timer_record(thread, cpu.number);  // somebody else became it just now: look again
    }
}

}  // namespace cox
