// SPDX-License-Identifier: MIT
//
// A thread's registers at its very first instruction.
#pragma once

#include <cstddef>
#include <cstdint>

namespace test {

struct FirstRegisters {
    std::uint64_t zero[14];  // all but RDI and RSP
    std::uint64_t rsp, rflags;
};
static_assert(offsetof(FirstRegisters, rsp) == 112 && offsetof(FirstRegisters, rflags) == 120);

// Entry of a thread whose argument (RDI) is a FirstRegisters: fills it and ends.
extern "C" void store_first_registers();

asm(R"(
    .text
    .weak store_first_registers
    .type store_first_registers, @function
store_first_registers:
    mov %rax, (%rdi)
    mov %rbx, 8(%rdi)
    mov %rcx, 16(%rdi)
    mov %rdx, 24(%rdi)
    mov %rsi, 32(%rdi)
    mov %rbp, 40(%rdi)
    mov %r8, 48(%rdi)
    mov %r9, 56(%rdi)
    mov %r10, 64(%rdi)
    mov %r11, 72(%rdi)
    mov %r12, 80(%rdi)
    mov %r13, 88(%rdi)
    mov %r14, 96(%rdi)
    mov %r15, 104(%rdi)
    mov %rsp, 112(%rdi)
    pushfq
    popq 120(%rdi)
    xor %edi, %edi
    mov $2, %eax
    syscall
)");

}  // namespace test
