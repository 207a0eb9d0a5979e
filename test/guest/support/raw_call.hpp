// SPDX-License-Identifier: MIT
//
// A system call with every register of the caller's choosing, RSP and the flags among them. While it lasts the way back
// is kept in SSE registers, which no call changes. TF must not be set: it would trap before the call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace test {

struct RawCall {
    std::uint64_t rax, rbx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rcx, rflags;

    // What docs/abi.md says a call keeps. The flags only as far as users can set them.
    [[nodiscard]] bool keeps(const RawCall& after) const {
        return rbx == after.rbx && rsi == after.rsi && rdi == after.rdi && rbp == after.rbp &&
               rsp == after.rsp && r8 == after.r8 && r9 == after.r9 && r10 == after.r10 && r12 == after.r12 &&
               r13 == after.r13 && r14 == after.r14 && r15 == after.r15 &&
               (rflags & kUserFlags) == (after.rflags & kUserFlags);
    }

    static constexpr std::uint64_t kAlignmentCheck = 1 << 18, kNestedTask = 1 << 14, kDirection = 1 << 10,
                                   kPrivilegeLevel = 3 << 12, kId = 1 << 21, kArithmetic = 0x8d5,
                                   kPlain = 0x202;
    static constexpr std::uint64_t kUserFlags =
        kAlignmentCheck | kNestedTask | kDirection | kId | kArithmetic;
};
static_assert(offsetof(RawCall, rsp) == 48 && offsetof(RawCall, rflags) == 128);

// Makes the call with what stands in `block`, and writes there what the registers hold after it.
extern "C" void raw_call(RawCall* block);

asm(R"(
    .text
    .weak raw_call
    .type raw_call, @function
raw_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    movq %rdi, %xmm15
    movq %rsp, %xmm14
    pushq 128(%rdi)
    popfq
    mov (%rdi), %rax
    mov 8(%rdi), %rbx
    mov 16(%rdi), %rdx
    mov 24(%rdi), %rsi
    mov 40(%rdi), %rbp
    mov 48(%rdi), %rsp
    mov 56(%rdi), %r8
    mov 64(%rdi), %r9
    mov 72(%rdi), %r10
    mov 80(%rdi), %r11
    mov 88(%rdi), %r12
    mov 96(%rdi), %r13
    mov 104(%rdi), %r14
    mov 112(%rdi), %r15
    mov 120(%rdi), %rcx
    mov 32(%rdi), %rdi
    syscall
    movq %rdi, %xmm13
    movq %xmm15, %rdi
    mov %rax, (%rdi)
    mov %rbx, 8(%rdi)
    mov %rdx, 16(%rdi)
    mov %rsi, 24(%rdi)
    movq %xmm13, 32(%rdi)
    mov %rbp, 40(%rdi)
    mov %rsp, 48(%rdi)
    mov %r8, 56(%rdi)
    mov %r9, 64(%rdi)
    mov %r10, 72(%rdi)
    mov %r11, 80(%rdi)
    mov %r12, 88(%rdi)
    mov %r13, 96(%rdi)
    mov %r14, 104(%rdi)
    mov %r15, 112(%rdi)
    mov %rcx, 120(%rdi)
    movq %xmm14, %rsp
    pushfq
    popq 128(%rdi)
    pushq $0x202
    popfq
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
)");

}  // namespace test
