// SPDX-License-Identifier: MIT
#include "kernel/process.hpp"

#include <algorithm>
#include <bit>

#include "arch/paging.hpp"
#include "kernel/cpu.hpp"
#include "kernel/exit.hpp"
#include "kernel/heap.hpp"
#include "kernel/quota.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/trace.hpp"

namespace cox {

using abi::Error;

core::Result<RefPtr<Process>> Process::create(Quota& quota, SchedDomain* domain, std::string_view name) {
    auto process = TRY(make_object<Process>(quota, quota, domain));
    name.copy(process->name.data(), process->name.size() - 1);
    process->timers = TRY(make_object<TimerAccount>(quota));
    process->space_ = TRY(make_charged<AddressSpace>(quota, quota));
    TRY(process->space_->init());
    return process;
}

Process::Process(Quota& pays, SchedDomain* in_domain)
    : Object(kType),
      quota(pays),
      caps(pays),
      domain(in_domain ? RefPtr(*in_domain) : RefPtr<SchedDomain>()) {}

Process::~Process() = default;

bool Process::add_thread() {
    SpinGuard guard(lock_);
    if (dying_) return false;
    ++threads_;
    return true;
}

void Process::cancel_thread() {
    std::uint64_t code;
    {
        SpinGuard guard(lock_);
        --threads_;
        if (!dying_ || threads_ != 0) return;
        code = kill_code_;
    }
    gone(code);  // killed while this thread was about to come
}

std::optional<std::uint64_t> Process::dying_code() {
    SpinGuard guard(lock_);
    return dying_ ? std::optional(kill_code_) : std::nullopt;
}

Process::SpaceHold::SpaceHold(Process& process) : space_(nullptr) {
    SpinGuard guard(process.lock_);
    if (process.gone_) return;
    space_ = process.space_;
    space_->users.fetch_add(1);
}

Process::SpaceHold::~SpaceHold() {
    if (space_) space_->users.fetch_sub(1);
}

namespace {

using RingFrames = std::array<Physical, abi::kRingPages>;

// The frames of a thread's ring, each held once: new ones, mapped where they shall be, or what is mapped there.
core::Result<RingFrames> ring_frames(AddressSpace& space, std::uint64_t address) {
    constexpr abi::Rights kAccess = abi::kRead | abi::kWrite;
    RingFrames frames;
    if (address & abi::kRingInPlace) {
        address &= ~abi::kRingInPlace;
        if (address % abi::kPageSize) return core::fail(Error::kMisaligned);
        TRY(space.hold_pages(address, frames, kAccess));
        return frames;
    }
    const auto pages = TRY(MemoryObject::create(space.payer(), abi::kRingPages));
    TRY(space.map(*pages, 0, address, abi::kRingPages, kAccess, kAccess));
    for (std::uint64_t i = 0; i < frames.size(); ++i) hold_frame(frames[i] = pages->frame(i));
    return frames;
}

}  // namespace

void unmap_ring(AddressSpace& space, std::uint64_t address) {
    if (!(address & abi::kRingInPlace)) (void)space.unmap(address, abi::kRingPages);
}

core::Result<RefPtr<Thread>> Process::create_thread(AddressSpace& space, const abi::ThreadParams& params) {
    const auto user = [](std::uint64_t address) { return address < abi::kUserTop; };
    if (!user(params.entry) || !user(params.stack) || !user(params.fs_base))
        return core::fail(Error::kBadAddress);
    if (params.first_cpu >= online_cpus().size()) return core::fail(Error::kBadArgument);
    const auto online = online_mask();
    const auto affinity = params.affinity ? params.affinity & online : online;
    if (!affinity) return core::fail(Error::kBadArgument);
    const auto cpu = affinity >> params.first_cpu & 1
                         ? static_cast<std::uint32_t>(params.first_cpu)
                         : static_cast<std::uint32_t>(std::countr_zero(affinity));
    const auto pages = TRY(ring_frames(space, params.ring_address));
    auto allocated = new_thread(cpu, affinity, nullptr);
    if (!allocated) {
        for (const auto frame : pages) release_frame(frame);
        unmap_ring(space, params.ring_address);
        return allocated;
    }
    auto& thread = *allocated;
    thread->ring.open(pages);
    thread->line.label.store(params.label, std::memory_order_relaxed);
    thread->frame.rip = params.entry;
    thread->frame.rsp = params.stack;
    thread->frame.rdi = params.argument;
    thread->frame.cs = USER_CODE;
    thread->frame.ss = USER_DATA;
    thread->frame.rflags = arch::kUserFlags;
    thread->fs_base = params.fs_base;
    if (trace_classes) trace_name(*thread);
    if (const auto code = dying_code()) kill(*code);  // killed meanwhile, perhaps without seeing this thread
    return thread;
}

core::Result<RefPtr<Thread>> Process::new_thread(std::uint32_t cpu, std::uint64_t affinity, Thread* polled) {
    if (!quota.charge_thread()) return core::fail(quota.no_thread());
    auto thread = add_thread() ? allocate_thread(*this, domain.get(), cpu, affinity, polled)
                               : core::Result<RefPtr<Thread>>(core::fail(Error::kWrongState));
    if (!thread) {
        if (thread.error() != Error::kWrongState) cancel_thread();
        quota.return_thread();
    }
    return thread;
}

void Process::kill(std::uint64_t code) {
    bool empty;
    {
        SpinGuard guard(lock_);
        if (!std::exchange(dying_, true)) kill_code_ = code;
        empty = threads_ == 0;
    }
    for_each_thread([&](Thread& thread) {
        if (thread.process.get() == this) kill_thread(thread, code);
    });
    if (empty) gone(code);
}

void Process::thread_gone(std::uint64_t code) {
    bool last;
    {
        SpinGuard guard(lock_);
        if (dying_) code = kill_code_;  // also where a thread was about to end by itself
        last = --threads_ == 0;
        dying_ |= last;
    }
    if (last) gone(code);
}

void Process::gone(std::uint64_t code) {
    {
        SpinGuard guard(lock_);
        if (std::exchange(gone_, true)) return;
    }
    for (SchedDomain& each : domains)
        if (each.is_server(*this)) each.server_gone(*this);
    caps.clear();
    reap_later(std::exchange(space_, nullptr));
    ending.come(code);
}

PendingOp Process::withdraw(Thread& caller, std::uint64_t user_data) {
    return ending.withdraw(caller.ref, user_data);
}

// The capabilities in its table may be the last to other processes, and so on: one after the other, not one in the other.
void Process::destroy() {
    Cpu& cpu = this_cpu();
    next_dead = std::exchange(cpu.dead_processes, this);
    look_again(cpu);
}

void Process::finish_destroy() {
    ending.give_up();
    caps.clear();
    reap_later(space_);
    dispose(this);
}

}  // namespace cox
