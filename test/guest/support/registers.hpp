// SPDX-License-Identifier: MIT
//
// All registers that user code has, loaded from memory, kept through a loop or a system call, and stored again. Of YMM
// only where the kernel has turned AVX on.
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
    std::array<std::array<std::uint64_t, 2>, 16> ymm_high;

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
static_assert(offsetof(Registers, xmm) == 112 && offsetof(Registers, x87) == 368 &&
              offsetof(Registers, ymm_high) == 432);

// Loads `in`, does something, stores what is there then to `out`.
using Keep = void (*)(const Registers* in, Registers* out, std::uint64_t argument);
extern "C" void keep_through_loop(const Registers*, Registers*, std::uint64_t loops);  // counts down to 0
extern "C" void keep_through_call(const Registers*, Registers*, std::uint64_t);        // one system call
extern "C" void keep_through_call_avx(const Registers*, Registers*, std::uint64_t);
extern "C" void keep_through_loop_avx(const Registers*, Registers*, std::uint64_t loops);
// Calls a function; damage() has some.
extern "C" void keep_through_damage(const Registers*, Registers*, std::uint64_t function);
extern "C" void keep_through_damage_avx(const Registers*, Registers*, std::uint64_t function);

// Whether the CPU has AVX and the kernel has turned it on.
inline bool avx_is_on() {
    std::uint32_t eax = 1, ebx = 0, ecx = 0, edx = 0;
    asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    constexpr std::uint32_t kOsXsaveAndAvx = 3U << 27;
    if ((ecx & kOsXsaveAndAvx) != kOsXsaveAndAvx) {
        return false;
    }
    asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & 7) == 7;
}

// What the registers hold after `in` was loaded and something was done.
inline Registers kept(const Registers& in, Keep keep, Keep keep_avx, std::uint64_t argument) {
    Registers out{};
    if (avx_is_on()) {
        keep_avx(&in, &out, argument);
    } else {
        keep(&in, &out, argument);
        out.ymm_high = in.ymm_high;
    }
    return out;
}

// Function `number` changes one register and no other: 14 general ones, 16 XMM, 8 x87, 16 upper halves of YMM, as they
// stand in Registers.
extern "C" const char damage_functions[];
inline std::uint64_t damage(std::size_t number) {
    return reinterpret_cast<std::uint64_t>(damage_functions) + number * 16;
}

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

.macro EACH_YMM instruction, base
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .ifc \instruction, load
    vinsertf128 $1, 432 + \i * 16(\base), %ymm\i, %ymm\i
    .else
    vextractf128 $1, %ymm\i, 432 + \i * 16(\base)
    .endif
    .endr
.endm

.macro KEEP name, avx, body:vararg
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
    .ifc \avx, avx
    EACH_YMM load, %rdi
    .endif
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
    .ifc \avx, avx
    EACH_YMM store, %rax
    .endif
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

// A semicolon would end the macro's arguments.
.macro COUNT_DOWN
1:  dec %rcx
    jnz 1b
.endm
.macro FLIP_X87 i
    fxch %st(\i)
    fchs
    fxch %st(\i)
.endm

KEEP keep_through_loop, sse, COUNT_DOWN
KEEP keep_through_call, sse, syscall
KEEP keep_through_loop_avx, avx, COUNT_DOWN
KEEP keep_through_call_avx, avx, syscall
KEEP keep_through_damage, sse, call *%rcx
KEEP keep_through_damage_avx, avx, call *%rcx
.purgem KEEP
.purgem EACH_YMM
.purgem EACH_XMM

.macro DAMAGE body:vararg
    .balign 16
    \body
    ret
.endm
    .weak damage_functions
    .balign 16
damage_functions:
.irp r, rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    DAMAGE not %\r
.endr
.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    DAMAGE pcmpeqd %xmm\i, %xmm\i
.endr
.irp i, 0, 1, 2, 3, 4, 5, 6, 7
    DAMAGE FLIP_X87 \i
.endr
.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    DAMAGE vinsertf128 $1, %xmm\i, %ymm\i, %ymm\i
.endr
.purgem DAMAGE
.purgem FLIP_X87
.purgem COUNT_DOWN
)");

}  // namespace test
