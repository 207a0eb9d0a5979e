// SPDX-License-Identifier: MIT
#include "kernel/watchdog.hpp"

#include "arch/timer.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread_table.hpp"

namespace cox {

namespace {

std::uint64_t limit;  // ticks

// While the agent runs, the server is at work, within its budget: nothing is to be armed, and nobody to be blamed.
bool agent_works(const Cpu& cpu) { return cpu.current && agent_at_work(cpu, *cpu.current); }

bool something_waits(const Cpu& cpu) {
    if (!SchedDomain::any_attached()) return false;
    return !cpu.queue.empty() || cpu.unplaced_here.load(std::memory_order_relaxed) > 0;
}

// There is a server, whose agent was not kept from its CPU by others.
bool is_to_blame(SchedDomain& domain, const Cpu& cpu) {
    return domain.attached() && !domain.agent_kept_away(cpu.number);
}

RefPtr<Thread> find_starved(Cpu& cpu, std::uint64_t now, std::uint64_t& since) {
    const auto too_long = [&](std::uint64_t start) { return now > start && now - start >= limit; };
    for (Thread* t = cpu.queue.front(); t; t = cpu.queue.next(*t)) {
        if (t->domain && too_long(since = t->queued_since) && is_to_blame(*t->domain, cpu)) return RefPtr(*t);
    }
    RefPtr<Thread> found;
    for_each_thread([&](Thread& thread) {
        const auto word = thread.word().load();
        if (found || !thread.domain || word.state() != abi::ThreadState::kUnplaced ||
            word.cpu() != cpu.number)
            return;
        const auto start = thread.line.runnable_since.load(std::memory_order_relaxed);
        if (!too_long(start) || !too_long(thread.domain->usable_since(thread))) return;
        if (!is_to_blame(*thread.domain, cpu)) return;
        since = start;
        found = RefPtr(thread);
    });
    return found;
}

}  // namespace

void watchdog_init(std::uint64_t milliseconds) { limit = arch::clock.to_ticks(milliseconds * 1'000'000); }

std::uint64_t watch_deadline(Cpu& cpu, std::uint64_t now) {
    if (!something_waits(cpu))
        cpu.watch_deadline = kNever;
    else if (cpu.watch_deadline == kNever)
        cpu.watch_deadline = now + limit;
    return cpu.watch_deadline;
}

void watch(Cpu& cpu, std::uint64_t now) {
    if (agent_works(cpu)) return;
    cpu.watch_deadline = kNever;  // armed anew at the kernel's exit, if something still waits
    if (!something_waits(cpu)) return;
    std::uint64_t since = 0;
    if (const auto thread = find_starved(cpu, now, since)) {
        thread->domain->starved(*thread, cpu.number, arch::clock.to_ns(now - since));
    }
}

}  // namespace cox
