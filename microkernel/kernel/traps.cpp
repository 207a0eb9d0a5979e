// SPDX-License-Identifier: MIT
// What entry.S calls. Each entry from user mode ends in leave_kernel(), which says whose frame is next.
#include "arch/lapic.hpp"
#include "arch/paging.hpp"
#include "arch/syscall_fault.hpp"
#include "kernel/calls.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/exit.hpp"
#include "kernel/fault.hpp"
#include "kernel/hardening.hpp"
#include "kernel/irq.hpp"
#include "kernel/log.hpp"
#include "kernel/panic.hpp"
#include "kernel/process.hpp"
#include "kernel/trace.hpp"

namespace cox {

namespace {

using arch::TrapFrame;

// False: an exception. Users can raise none of the other vectors, so one that nobody has asked for is a stray interrupt.
bool handle_interrupt(Cpu& cpu, std::uint64_t vector) {
    if (tracing(core::kTraceInterrupt)) trace(core::TraceEvent::kInterrupt, {}, vector);
    switch (vector) {
        case arch::kVectorTimer:
            ++cpu.stats.timer_interrupts;
            cpu.armed_deadline = kNever;  // it is one-shot
            break;
        case arch::kVectorReschedule: ++cpu.stats.ipis_received; break;
        case arch::kVectorSpurious: return true;  // wants no end-of-interrupt
        default: return vector >= FIRST_INTERRUPT && (handle_line(vector) || true);
    }
    arch::lapic_end_of_interrupt();
    return true;
}

void end_faulting_thread(Cpu& cpu, const TrapFrame& frame) {
    const Thread& t = *cpu.current;
    print("fault: process={} thread={} cpu={} vector={} error=0x{:x} address=0x{:x} rip=0x{:x}",
          std::string_view(t.process->name.data()), t.ref.index, cpu.number, frame.vector, frame.error,
          frame.vector == arch::kVectorPageFault ? arch::read_cr2() : 0, frame.rip);
    exit_current(cpu, kFaultExitCode, abi::Cause::kFaulted);
}

// Mostly a stack that is full: what the CPU could push nowhere was a page fault at the guard page below it.
[[noreturn]] void end_at_double_fault(const TrapFrame& frame) {
    const auto guard = arch::find_guard(arch::read_cr2());
    if (!guard) panic("double fault", &frame);
    panic(format("overflow of the {} stack of cpu {}", guard->stack, guard->cpu).text(), &frame);
}

}  // namespace

extern "C" {

TrapFrame* trap_from_user(TrapFrame* frame) {
    Cpu& cpu = this_cpu();
    if (arch::is_syscall_fault(*frame)) {
        arch::become_syscall(*frame);
        handle_call(*cpu.current);
        finish_exit_work(cpu);
    } else if (!handle_interrupt(cpu, frame->vector)) {
        const bool page_fault = frame->vector == arch::kVectorPageFault;
        const auto end = page_fault ? handle_page_fault(cpu, *cpu.current) : FaultEnd{true};
        if (end.next) return end.next;
        if (end.ends) end_faulting_thread(cpu, *frame);
    }
    return leave_kernel(cpu);
}

// Only the idle loop takes interrupts in kernel mode.
void interrupt_idle(std::uint64_t vector) { handle_interrupt(this_cpu(), vector); }

// An exception in kernel mode.
[[noreturn]] void trap_from_kernel(const TrapFrame* frame) {
    const char* undefined = undefined_behaviour(*frame);
    panic(undefined ? undefined : "exception in the kernel", frame);
}

// NMI, #DB, #DF, #MC. Returns the user frame to go on with as an ordinary exception, or nullptr to go back.
TrapFrame* trap_on_ist(TrapFrame* frame, Cpu* cpu) {
    if (frame->vector == arch::kVectorNmi) {
        if (panicking()) arch::halt_forever();
        return nullptr;
    }
    constexpr std::uint64_t kDebug = 1, kDoubleFault = 8;
    if (frame->vector == kDoubleFault) end_at_double_fault(*frame);
    if (frame->vector != kDebug) panic("machine check", frame);
    if (!frame->from_user()) return nullptr;
    cpu->current->frame = *frame;
    return &cpu->current->frame;
}

TrapFrame* first_dispatch() { return leave_kernel(this_cpu()); }
}

}  // namespace cox
