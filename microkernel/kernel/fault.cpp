// SPDX-License-Identifier: MIT
#include "kernel/fault.hpp"

#include "arch/asm.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/notification.hpp"
#include "kernel/process.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/wake.hpp"

namespace cox {

[[gnu::always_inline]] inline void PageFault::link(Notification& told) {
    SpinGuard guard(told.lock_);
    auto& first = told.faulted_;
    next_ = first ? &detail::thread_slot(first - 1u) : nullptr;
    if (next_) next_->page_fault.previous_ = &thread_;
    first = static_cast<std::uint16_t>(thread_.ref.index + 1);
}

[[gnu::always_inline]] inline void PageFault::unlink(Notification& told) {
    SpinGuard guard(told.lock_);
    auto& first = told.faulted_;
    if (next_) next_->page_fault.previous_ = previous_;
    if (first != thread_.ref.index + 1)
        previous_->page_fault.next_ = next_;
    else
        first = next_ ? static_cast<std::uint16_t>(next_->ref.index + 1) : 0;
}

[[gnu::always_inline]] inline void PageFault::note_down(Note note, const Told& told) {
    if (!told.target || told.target->type() != Notification::kType) return;
    auto* const bell = static_cast<Notification*>(told.target.get());
    note_ = note;
    auto* const before = told_.load(std::memory_order_relaxed);
    if (before == bell) return;
    if (before) unlink(*before);
    told_.store(bell, std::memory_order_relaxed);
    link(*bell);
}

PageFault::Told PageFault::begin(Note note, FaultHandler& common) {
    {
        SpinGuard guard(lock_);
        Told told = told_now();
        if (told.target) {
            note_down(note, told);
            return told;
        }
    }
    Told told = common.told();
    SpinGuard guard(lock_);
    note_down(note, told);
    return told;
}

core::Result<PageFault::Note> PageFault::outstanding() {
    SpinGuard guard(lock_);
    if (!told_.load(std::memory_order_relaxed)) return core::fail(abi::Error::kWrongState);
    return note_;
}

bool PageFault::take() {
    SpinGuard guard(lock_);
    auto* const told = told_.load(std::memory_order_relaxed);
    if (!told) return false;
    unlink(*told);
    told_.store(nullptr, std::memory_order_relaxed);
    return true;
}

bool PageFault::take_from(Notification& told) {
    SpinGuard guard(lock_);
    if (told_.load(std::memory_order_relaxed) != &told) return false;
    unlink(told);
    told_.store(nullptr, std::memory_order_relaxed);
    return true;
}

// Nobody comes to the list: that takes a reference to the notification. Who stands there has not gone, so there is one to the thread.
void PageFault::all_try_again(Notification& told) {
    for (;;) {
        RefPtr<Thread> thread;
        {
            SpinGuard guard(told.lock_);
            if (told.faulted_ == 0) return;
            thread = RefPtr<Thread>(detail::thread_slot(told.faulted_ - 1u));
        }
        if (thread->page_fault.take_from(told)) wake(*thread);
    }
}

std::array<std::uint64_t, 4> words_of(const Thread& thread, const PageFault::Note& note) {
    return {note.address, note.cause, thread.frame.rip, thread.ref.raw()};
}

FaultEnd handle_page_fault(Cpu& cpu, Thread& thread) {
    constexpr std::uint64_t kPresent = 1, kWrite = 2, kUser = 4, kFetch = 16;
    const auto error = thread.frame.error;
    // Whatever else the processor says is no matter of a page that is, or is not, mapped.
    if ((error & ~(kPresent | kWrite | kFetch)) != kUser) return {true};
    const auto address = arch::read_cr2();
    const auto access = error & kFetch ? abi::kExecute : error & kWrite ? abi::kWrite : abi::kRead;
    if (thread.process->space().bring_in(address, access)) return {false};
    if (thread.is_agent()) return {true};  // its CPU would wait with it
    const PageFault::Note note{address, access | (error & kPresent ? abi::kFaultMapped : 0)};
    PageFault& own = thread.page_fault;
    FaultHandler& common = thread.process->fault_handler;
    FaultHandler* const calls = own.calls() ? &own : !own.is_set() && common.calls() ? &common : nullptr;
    if (calls) {
        if (arch::TrapFrame* const next = fault_directly(cpu, thread, *calls, note)) return {false, next};
    }
    const auto told = own.begin(note, common);
    if (!told.target) return {true};
    if (told.target->type() == Endpoint::kType) {
        call_for_thread(cpu, thread, static_cast<Endpoint&>(*told.target), told.value,
                        words_of(thread, note));
        return {false};
    }
    static_cast<Notification&>(*told.target).signal(told.value);
    (void)block_current(cpu);  // unless it has been told already to try again, or is to end
    return {false};
}

}  // namespace cox
