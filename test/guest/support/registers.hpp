// SPDX-License-Identifier: MIT
//
// All registers that user code has, loaded from memory, kept through a loop or a system call, and stored again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace test {

struct Registers {
    // RCX, RSP and the x87 registers' high bits are in use.
    std::uint64_t rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
    std::array<std::array<std::uint64_t, 2>, 16> xmm;
    std::array<std::int64_t, 8> x87;

    // Different in each place and for each `number`. x87 holds integers of 63 bits exactly.
    static Registers pattern(std::uint64_t number) {
        Registers made;
        auto* words = reinterpret_cast<std::uint64_t*>(&made);
        for (std::size_t i = 0; i < sizeof(Registers) / sizeof(std::uint64_t); ++i) {
            number = number * 6364136223846793005u + 1442695040888963407u;
            words[i] = number >> 1 ^ number >> 33;
        }
        return made;
    }
    friend bool operator==(const Registers&, const Registers&) = default;
};
static_assert(offsetof(Registers, xmm) == 112 && offsetof(Registers, x87) == 368);

// Loads `in`, counts `loops` down to 0, stores what is there then to `out`. The name tells what the loop does.
extern "C" void keep_through_loop(const Registers* in, Registers* out, std::uint64_t loops);
// The same with one system call in the place of the loop.
extern "C" void keep_through_call(const Registers* in, Registers* out, std::uint64_t);

asm(R"(
.macro EACH_XMM instruction, base
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .ifc \instruction, load
    movups 112 + \i * 16(\base), %xmm\i
    .else
    movups %xmm\i, 112 + \i * 16(\base)
    .endif
    .endr
.endm

.macro KEEP name, body:vararg
    .text
    .weak \name
    .type \name, @function
\name:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rsi
    mov %rdx, %rcx
    EACH_XMM load, %rdi
    .irp i, 7, 6, 5, 4, 3, 2, 1, 0
    fildll 368 + \i * 8(%rdi)
    .endr
    mov (%rdi), %rax
    mov 8(%rdi), %rbx
    mov 16(%rdi), %rdx
    mov 24(%rdi), %rsi
    mov 40(%rdi), %rbp
    mov 48(%rdi), %r8
    mov 56(%rdi), %r9
    mov 64(%rdi), %r10
    mov 72(%rdi), %r11
    mov 80(%rdi), %r12
    mov 88(%rdi), %r13
    mov 96(%rdi), %r14
    mov 104(%rdi), %r15
    mov 32(%rdi), %rdi
    \body
    xchg %rax, (%rsp)
    mov %rbx, 8(%rax)
    mov %rdx, 16(%rax)
    mov %rsi, 24(%rax)
    mov %rdi, 32(%rax)
    mov %rbp, 40(%rax)
    mov %r8, 48(%rax)
    mov %r9, 56(%rax)
    mov %r10, 64(%rax)
    mov %r11, 72(%rax)
    mov %r12, 80(%rax)
    mov %r13, 88(%rax)
    mov %r14, 96(%rax)
    mov %r15, 104(%rax)
    EACH_XMM store, %rax
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    fistpll 368 + \i * 8(%rax)
    .endr
    pop %rcx
    mov %rcx, (%rax)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
.endm

KEEP keep_through_loop, 1: dec %rcx; jnz 1b
KEEP keep_through_call, syscall
.purgem KEEP
.purgem EACH_XMM
)");

}  // namespace test
