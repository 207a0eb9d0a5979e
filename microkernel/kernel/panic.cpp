// SPDX-License-Identifier: MIT
#include "kernel/panic.hpp"

#include <atomic>

#include "arch/asm.hpp"
#include "arch/lapic.hpp"
#include "arch/paging.hpp"
#include "core/assert.hpp"
#include "kernel/cpu.hpp"
#include "kernel/log.hpp"
#include "kernel/machine.hpp"

extern "C" char text_start[], text_end[];

namespace cox {

namespace {

std::atomic<bool> panicked{false};

template <class... Args>
void say(std::string_view pattern, const Args&... args) {
    log_line_unlocked(format(pattern, args...).text());
}

// RBP may be a user's: a system call leaves it where it is until it must save it.
bool on_kernel_stack(std::uint64_t address) {
    if (address % 8) return false;
    if (!cpus_ready || !this_cpu().kernel_stack) return address >= arch::kKernelBase;
    const auto top = this_cpu().kernel_stack;
    return address < top && top - address <= arch::kStackBytes && top - address >= 16;
}

// The kernel keeps frame pointers, but for functions that call none: each frame is {caller's frame, return address}. So a fault in
// such a function is shown without that function's caller.
void backtrace(std::uint64_t rip, std::uint64_t rbp) {
    say("panic: frame=0x{:x}", rip);
    for (int depth = 0; depth < 32 && on_kernel_stack(rbp); ++depth) {
        const auto* frame = reinterpret_cast<const std::uint64_t*>(rbp);
        const auto text = [](char* p) { return reinterpret_cast<std::uint64_t>(p); };
        if (frame[1] < text(text_start) || frame[1] >= text(text_end)) return;
        say("panic: frame=0x{:x}", frame[1]);
        if (frame[0] <= rbp) return;
        rbp = frame[0];
    }
}

void registers(const arch::TrapFrame& f) {
    say("panic: vector={} error=0x{:x} cr2=0x{:x}", f.vector, f.error, arch::read_cr2());
    say("panic: rip=0x{:x} cs=0x{:x} rflags=0x{:x} rsp=0x{:x} ss=0x{:x}", f.rip, f.cs, f.rflags, f.rsp, f.ss);
    say("panic: rax=0x{:x} rbx=0x{:x} rcx=0x{:x} rdx=0x{:x} rsi=0x{:x} rdi=0x{:x}", f.rax, f.rbx, f.rcx,
        f.rdx, f.rsi, f.rdi);
    say("panic: rbp=0x{:x} r8=0x{:x} r9=0x{:x} r10=0x{:x} r11=0x{:x}", f.rbp, f.r8, f.r9, f.r10, f.r11);
    say("panic: r12=0x{:x} r13=0x{:x} r14=0x{:x} r15=0x{:x}", f.r12, f.r13, f.r14, f.r15);
}

void stop_others() {
    if (!cpus_ready) return;
    for (const Cpu& cpu : online_cpus()) {
        if (cpu.number != this_cpu().number) arch::lapic_send_nmi(cpu.apic_id);
    }
}

}  // namespace

bool panicking() { return panicked.load(std::memory_order_acquire); }

void panic(std::string_view cause, const arch::TrapFrame* frame) {
    if (panicked.exchange(true, std::memory_order_acq_rel)) arch::halt_forever();
    stop_others();
    say("panic: cpu={} cause=\"{}\"", cpus_ready ? this_cpu().number : 0, cause);
    if (frame) {
        registers(*frame);
        backtrace(frame->rip, frame->rbp);
    } else {
        backtrace(reinterpret_cast<std::uint64_t>(__builtin_return_address(0)),
                  *static_cast<std::uint64_t*>(__builtin_frame_address(0)));
    }
    power_off(abi::ExitCode::kPanic);
}

void unsupported(std::string_view what) {
    say("coxswain: unsupported machine: {}", what);
    power_off(abi::ExitCode::kUnsupported);
}

void assert_failed(const char* expression, const char* file, int line) {
    panic(format("assertion {} at {}:{}", std::string_view(expression), std::string_view(file), line).text());
}

}  // namespace cox
