// SPDX-License-Identifier: MIT
// Whose a CPU is: it leaves one domain and joins another, or none (docs/scheduling.md, "Taking a CPU"; docs/domains.md).
//
// That is changed by the CPU alone; others say what they want, in `wanted_domain`, and make it look (domain_table.cpp).
//
//     (has_cpu_ goes with cpus_)
//     leave    its bit in cpus_ = 0;  gives back the domain's threads, in pieces;  its line says so, with an event
//     join     its bit in cpus_ = 1;  its line says so;  its event
//
// So a thread of a domain runs only where the CPU's line says that it is that domain's: one that is sent before runs when this CPU has
// joined. And who has seen the line say so is not refused a commit for that reason. Who places by hint, commit or in
// fallback reads cpus_ first; what was on its way to a CPU that has left meanwhile is turned away where it arrives (serve_inbox).
// On the CPU itself nothing is: there the bit is what it was when it was read.
//
// A thread that may use no CPU of its domain stays unplaced, also in fallback. Pairs of fences:
//     join               bit;              full fence;  read the mode, and look at every thread if the kernel places
//     became_unplaced    state unplaced;   full fence;  read the mode, cpus_
//     fall_back          mode = kernel;    full fence;  look at every thread, read cpus_
#include <algorithm>
#include <bit>

#include "arch/asm.hpp"
#include "kernel/cpu.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/selftest.hpp"
#include "kernel/thread_table.hpp"

namespace cox {

using abi::Cause;
using abi::Error;

namespace {

constexpr std::size_t kPiece = 32;  // of the queue, between two looks at what others want of this CPU

std::uint64_t bit_of(std::uint64_t cpu) { return std::uint64_t{1} << cpu; }

// Threads of the domain leave the CPU. True: none is left. Between two pieces this CPU may begin one, but not go to user mode: it
// comes back here first, with that one as the current.
bool give_back_piece(Cpu& cpu) {
    if (cpu.current && cpu.current->domain) unplace_current(cpu, Cause::kCpuLost);
    for (std::size_t i = 0; i < kPiece && cpu.to_give_back > 0; ++i, --cpu.to_give_back) {
        Thread* const thread = pop_queued(cpu);
        if (!thread) {
            cpu.to_give_back = 0;
            break;
        }
        if (thread->domain)
            unplace_queued(cpu, *thread, Cause::kCpuLost);
        else
            push_queued(cpu, *thread, false);
    }
    return cpu.to_give_back == 0 && !(cpu.current && cpu.current->domain);
}

}  // namespace

std::uint64_t SchedDomain::cpus_in_lines() const {
    std::uint64_t mask = 0;
    for (const Cpu& cpu : online_cpus())
        if (status_line(abi::kMaxThreads + cpu.number).domain.load() == number()) mask |= bit_of(cpu.number);
    return mask;
}

std::uint64_t SchedDomain::usable_since(const Thread& thread) const {
    std::uint64_t since = kNever;
    for (auto usable = usable_cpus(thread); usable; usable &= usable - 1)
        since = std::min(since, joined_at_[std::countr_zero(usable)].load(std::memory_order_relaxed));
    return since;
}

void cpu_idle(Cpu& cpu) {
    set_cpu_line(cpu.number, abi::ThreadState::kWaiting);
    SchedDomain* const domain = cpu.domain ? cpu.domain : cpu.leaves;
    if (domain && domain->attached()) domain->post_event(abi::kMaxThreads + cpu.number, cpu.number);
}

void look_at_domain(Cpu& cpu) {
    const SchedDomain* const wanted = cpu.wanted_domain.load();
    if (cpu.domain && cpu.domain != wanted) cpu.domain->begin_leaving(cpu);
    const bool left = !cpu.leaves || cpu.leaves == wanted || cpu.leaves->leave(cpu);
    if (left && wanted && cpu.domain != wanted) SchedDomain::join_wanted(cpu);
    cpu.switches_directly = cpu.domain && cpu.domain->switches_directly();
    cpu.direct_domain = cpu.switches_directly ? cpu.domain : domains + abi::kMaxDomains;
}

void SchedDomain::begin_leaving(Cpu& cpu) {
    cpus_.fetch_and(~bit_of(cpu.number));
    has_cpu_[cpu.number].store(false);
    cpu.domain = nullptr;
    cpu.leaves = this;
    cpu.to_give_back = cpu.queue.size();
}

// True: it has left.
bool SchedDomain::leave(Cpu& cpu) {
    if (!keeps_threads && !give_back_piece(cpu)) {
        send_attention(cpu);
        return false;
    }
    cpu.line_busy = false;
    status_line(abi::kMaxThreads + cpu.number).domain.store(0);
    cpu_idle(cpu);
    cpu.leaves = nullptr;
    stop_using();
    return true;
}

void SchedDomain::join(Cpu& cpu) {
    const bool busy = cpu.leaves && cpu.line_busy;  // it had not left wholly
    cpu.domain = this;
    cpu.leaves = nullptr;
    cpu.to_give_back = 0;
    // The agent of another domain is as others are here.
    if (cpu.agent_ready && !agent_at_work(cpu, *cpu.agent_ready))
        push_queued(cpu, *std::exchange(cpu.agent_ready, nullptr), true);
    joined_at_[cpu.number].store(arch::rdtsc(), std::memory_order_relaxed);
    has_cpu_[cpu.number].store(true);
    cpus_.fetch_or(bit_of(cpu.number));
    status_line(abi::kMaxThreads + cpu.number).domain.store(number());
    set_cpu_line(cpu.number, busy ? abi::ThreadState::kRunning : abi::ThreadState::kWaiting);
    if (attached())
        post_event(abi::kMaxThreads + cpu.number, cpu.number);
    else
        look_at_every_thread(Cause::kNoServer);
}

}  // namespace cox
