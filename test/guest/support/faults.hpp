// SPDX-License-Identifier: MIT
//
// Ways for a user program to go wrong, each of which must end in an exception. (Not the SSE exceptions that MXCSR
// unmasks: QEMU's emulation has none.)
#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>

namespace test {

struct Fault {
    std::string_view name;
    void (*commit)();
};

// Whoever lives through it ends with exit code 7 at once, whatever is left of its stack.
#define ASM_FAULT(name, text) {name, [] { asm volatile(text "; mov $2, %eax; mov $7, %edi; syscall"); }}

inline constexpr Fault kFaults[] = {
    // Reserved to the kernel.
    ASM_FAULT("hlt", "hlt"),
    ASM_FAULT("cli", "cli"),
    ASM_FAULT("sti", "sti"),
    ASM_FAULT("in", "inb $0x60, %al"),
    ASM_FAULT("out", "movb $0x11, %al; outb %al, $0xf4"),
    ASM_FAULT("out_string", "mov $0x3f8, %edx; mov %rsp, %rsi; outsb"),
    ASM_FAULT("read_cr0", "mov %cr0, %rax"),
    ASM_FAULT("write_cr3", "xor %eax, %eax; mov %rax, %cr3"),
    ASM_FAULT("write_cr4", "xor %eax, %eax; mov %rax, %cr4"),
    ASM_FAULT("write_cr8", "xor %eax, %eax; mov %rax, %cr8"),
    ASM_FAULT("write_dr7", "xor %eax, %eax; mov %rax, %dr7"),
    ASM_FAULT("clts", "clts"),
    ASM_FAULT("lmsw", "xor %eax, %eax; lmsw %ax"),
    ASM_FAULT("rdmsr", "mov $0xc0000080, %ecx; rdmsr"),
    ASM_FAULT("wrmsr", "mov $0xc0000102, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr"),
    ASM_FAULT("lgdt", "lgdt (%rsp)"),
    ASM_FAULT("lidt", "lidt (%rsp)"),
    ASM_FAULT("lldt", "xor %eax, %eax; lldt %ax"),
    ASM_FAULT("ltr", "mov $0x28, %eax; ltr %ax"),
    ASM_FAULT("invlpg", "invlpg (%rsp)"),
    ASM_FAULT("wbinvd", "wbinvd"),
    ASM_FAULT("swapgs", "swapgs"),
    ASM_FAULT("sysret", "mov %rsp, %rcx; sysretq"),
    ASM_FAULT("rdpmc", "xor %ecx, %ecx; rdpmc"),
    ASM_FAULT("xsetbv", "xor %ecx, %ecx; xor %eax, %eax; xor %edx, %edx; xsetbv"),
    ASM_FAULT("wrfsbase", "xor %eax, %eax; wrfsbase %rax"),
    // Interrupt gates that users may not use, among them those of the timer, of NMI and of exceptions.
    ASM_FAULT("int_2", "int $2"),
    ASM_FAULT("int_3", "int3"),
    ASM_FAULT("int_8", "int $8"),
    ASM_FAULT("int_14", "int $14"),
    ASM_FAULT("int_32", "int $32"),
    ASM_FAULT("int_128", "int $0x80"),
    ASM_FAULT("int_240", "int $240"),
    ASM_FAULT("int_255", "int $255"),
    // Exceptions of computation.
    ASM_FAULT("divide_by_zero", "xor %ecx, %ecx; mov $1, %eax; cltd; idiv %ecx"),
    ASM_FAULT("divide_overflow", "mov $0x80000000, %eax; cltd; mov $-1, %ecx; idiv %ecx"),
    ASM_FAULT("undefined", "ud2"),
    ASM_FAULT("icebp", ".byte 0xf1"),
    ASM_FAULT("single_step", "pushfq; orl $0x100, (%rsp); popfq; nop; nop"),
    ASM_FAULT("sse_unaligned", "movaps 1(%rsp), %xmm0; movaps 2(%rsp), %xmm0"),
    ASM_FAULT("x87_exception", "pushq $0x37b; fldcw (%rsp); fldz; fld1; fdiv %st(1), %st; fwait"),
    // Addresses.
    ASM_FAULT("read_null", "mov 0, %rax"),
    ASM_FAULT("read_kernel", "mov $0xffff800000000000, %rax; mov (%rax), %rax"),
    ASM_FAULT("write_kernel", "mov $0xffffffff80200000, %rax; mov %rax, (%rax)"),
    ASM_FAULT("call_kernel", "mov $0xffffffff80200000, %rax; call *%rax"),
    ASM_FAULT("read_noncanonical", "mov $0x0000800000000000, %rax; mov (%rax), %rax"),
    ASM_FAULT("jump_noncanonical", "mov $0x0000800000000000, %rax; jmp *%rax"),
    ASM_FAULT("return_noncanonical", "mov $0x8000000000000000, %rax; push %rax; ret"),
    ASM_FAULT("push_noncanonical", "mov $0x0000900000000000, %rsp; push %rax"),
    ASM_FAULT("jump_null", "xor %eax, %eax; jmp *%rax"),
    ASM_FAULT("write_text", "lea 0f(%rip), %rax; 0: movb $0x90, (%rax)"),
    ASM_FAULT("run_stack", "movw $0x9090, -128(%rsp); lea -128(%rsp), %rax; jmp *%rax"),
    ASM_FAULT("stack_overflow", "0: push %rax; jmp 0b"),
    ASM_FAULT("kernel_stack_pointer", "mov $0xffff800000001000, %rsp; ud2"),
    ASM_FAULT("null_stack_pointer", "xor %esp, %esp; int3"),
    ASM_FAULT("read_gs", "mov %gs:0, %rax"),
    // Selectors.
    ASM_FAULT("load_kernel_selector", "mov $8, %eax; mov %ax, %ds"),
    ASM_FAULT("load_task_selector", "mov $0x28, %eax; mov %ax, %fs"),
    ASM_FAULT("load_no_selector", "mov $0xfff8, %eax; mov %ax, %gs"),
    ASM_FAULT("far_return_to_kernel", "pushq $8; lea 0f(%rip), %rax; push %rax; lretq; 0: nop"),
    ASM_FAULT("iret_to_kernel",
              "mov %rsp, %rax; pushq $0x10; push %rax; pushq $2; pushq $8; lea 0f(%rip), %rax; "
              "push %rax; iretq; 0: nop"),
};

inline void commit_fault(std::uint64_t number) {
    if (number < std::size(kFaults)) {
        kFaults[number].commit();
    }
}

}  // namespace test
