// SPDX-License-Identifier: MIT
#include "kernel/process.hpp"

#include <algorithm>
#include <bit>

#include "kernel/cpu.hpp"
#include "kernel/exit.hpp"
#include "kernel/heap.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread_table.hpp"

namespace cox {

using abi::Error;

core::Result<RefPtr<Process>> Process::create(SchedDomain* domain, std::string_view name) {
    auto process = TRY(make_object<Process>(domain));
    name.copy(process->name.data(), process->name.size() - 1);
    void* memory = heap_allocate(sizeof(AddressSpace));
    if (!memory) return core::fail(Error::kNoMemory);
    process->space_ = new (memory) AddressSpace;
    TRY(process->space_->init());
    return process;
}

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
    auto pages = TRY(MemoryObject::create(abi::kRingPages));
    constexpr abi::Rights kAccess = abi::kRead | abi::kWrite;
    TRY(space.map(*pages, 0, params.ring_address, abi::kRingPages, kAccess, kAccess));
    if (!add_thread()) {
        TRY(space.unmap(params.ring_address, abi::kRingPages));
        return core::fail(Error::kWrongState);
    }
    auto allocated = allocate_thread(*this, domain, cpu, affinity);
    if (!allocated) {
        TRY(space.unmap(params.ring_address, abi::kRingPages));
        cancel_thread();
        return core::fail(allocated.error());
    }
    auto& thread = *allocated;
    thread->ring.open(std::move(pages));
    thread->line.label.store(params.label, std::memory_order_relaxed);
    thread->frame.rip = params.entry;
    thread->frame.rsp = params.stack;
    thread->frame.rdi = params.argument;
    thread->frame.cs = USER_CODE;
    thread->frame.ss = USER_DATA;
    thread->frame.rflags = arch::kUserFlags;
    thread->fs_base = params.fs_base;
    if (const auto code = dying_code()) kill(*code);  // killed meanwhile, perhaps without seeing this thread
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
        last = --threads_ == 0;
        dying_ |= last;
    }
    if (last) gone(code);
}

void Process::gone(std::uint64_t code) {
    PendingOp waiter;
    {
        SpinGuard guard(lock_);
        if (gone_) return;
        gone_ = true;
        exit_code_ = code;
        waiter = std::exchange(waiter_, {});
    }
    root_domain.server_gone(*this);
    caps.clear();
    reap_later(std::exchange(space_, nullptr));
    if (waiter) complete(waiter, static_cast<std::int64_t>(code));
}

core::Result<void> Process::wait_exit(PendingOp waiter, bool& gone, std::uint64_t& code) {
    for (PendingOp other;;) {
        {
            SpinGuard guard(lock_);
            gone = gone_;
            code = exit_code_;
            if (gone_) return {};
            if (waiter_.thread == other.thread) {  // none, or one that has gone: it makes room
                waiter_ = waiter;
                return {};
            }
            other = waiter_;
        }
        if (waits_still(other)) return core::fail(Error::kBusy);
    }
}

PendingOp Process::withdraw(Thread& caller, std::uint64_t user_data) {
    SpinGuard guard(lock_);
    return withdraw_if(waiter_, caller.ref, user_data);
}

// The capabilities in its table may be the last to other processes, and so on: one after the other, not one in the other.
void Process::destroy() {
    Cpu& cpu = this_cpu();
    next_dead = std::exchange(cpu.dead_processes, this);
    look_again(cpu);
}

void Process::finish_destroy() {
    PendingOp waiter;
    {
        SpinGuard guard(lock_);
        waiter = std::exchange(waiter_, {});
    }
    if (waiter) complete(waiter, static_cast<std::int64_t>(Error::kGone));
    caps.clear();
    reap_later(space_);
    dispose(this);
}

}  // namespace cox
