// SPDX-License-Identifier: MIT
// The CPUs of a domain: taken from it and returned to it (docs/scheduling.md, "Taking a CPU").
//
// Whether a CPU is the domain's is changed by that CPU alone; others say what they want, in `wanted_cpus_`, and make it look.
//
//     (has_cpu_ goes with cpus_)
//     leave    its bit in cpus_ = 0;  gives back its threads, in pieces;  its line says so, with an event
//     join     its line says so;  its bit in cpus_ = 1;  its event
//
// So while its line says that it is not the domain's, none of the domain's threads runs there. Who places by hint, commit or in
// fallback reads cpus_ first; what was on its way to a CPU that has left meanwhile is turned away where it arrives (serve_inbox).
// On the CPU itself nothing is: there the bit is what it was when it was read.
//
// A thread that may use no CPU of the domain stays unplaced, also in fallback. Pairs of fences:
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

core::Result<void> SchedDomain::take_cpu(std::uint64_t cpu) {
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    auto wanted = wanted_cpus_.load();
    do {
        if (!(wanted & bit_of(cpu))) return core::fail(Error::kWrongState);
        if (wanted == bit_of(cpu)) return core::fail(Error::kBadArgument);
    } while (!wanted_cpus_.compare_exchange_weak(wanted, wanted & ~bit_of(cpu)));
    send_attention(online_cpus()[cpu]);
    return {};
}

core::Result<void> SchedDomain::return_cpu(std::uint64_t cpu) {
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    if (wanted_cpus_.fetch_or(bit_of(cpu)) & bit_of(cpu)) return core::fail(Error::kWrongState);
    send_attention(online_cpus()[cpu]);
    return {};
}

std::uint64_t SchedDomain::cpus_in_lines() const {
    std::uint64_t mask = 0;
    for (const Cpu& cpu : online_cpus())
        if (status_line(abi::kMaxThreads + cpu.number).domain.load()) mask |= bit_of(cpu.number);
    return mask;
}

std::uint64_t SchedDomain::usable_since(const Thread& thread) const {
    std::uint64_t since = kNever;
    for (auto usable = usable_cpus(thread); usable; usable &= usable - 1)
        since = std::min(since, joined_at_[std::countr_zero(usable)].load(std::memory_order_relaxed));
    return since;
}

void SchedDomain::look_at_membership(Cpu& cpu) {
    if (wanted_cpus_.load() & bit_of(cpu.number)) {
        if (cpu.taken) join(cpu);
    } else if (!cpu.taken || cpu.gives_back) {
        leave(cpu);
    }
}

void SchedDomain::leave(Cpu& cpu) {
    if (!std::exchange(cpu.taken, true)) {
        cpus_.fetch_and(~bit_of(cpu.number));
        has_cpu_[cpu.number].store(false);
        cpu.gives_back = true;
        cpu.to_give_back = cpu.queue.size();
    }
    if (!keeps_threads && !give_back_piece(cpu)) return send_attention(cpu);
    cpu.gives_back = cpu.line_busy = false;
    status_line(abi::kMaxThreads + cpu.number).domain.store(0);
    cpu_idle(cpu.number);
}

void SchedDomain::join(Cpu& cpu) {
    cpu.taken = cpu.gives_back = false;
    cpu.to_give_back = 0;
    const bool busy = cpu.line_busy;  // it had not left wholly
    status_line(abi::kMaxThreads + cpu.number).domain.store(1);
    set_cpu_line(cpu.number, busy ? abi::ThreadState::kRunning : abi::ThreadState::kWaiting);
    joined_at_[cpu.number].store(arch::rdtsc(), std::memory_order_relaxed);
    has_cpu_[cpu.number].store(true);
    cpus_.fetch_or(bit_of(cpu.number));
    if (attached())
        post_event(abi::kMaxThreads + cpu.number, cpu.number);
    else
        look_at_every_thread(Cause::kNoServer);
}

}  // namespace cox
