// SPDX-License-Identifier: MIT
// What entry.S saves, in the order in which it lies in memory, and a thread's floating-point state.
#pragma once
#include <cstddef>
#include <cstdint>

#include "arch/entry_offsets.h"

namespace cox::arch {

struct alignas(16) TrapFrame {
    std::uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    std::uint64_t vector, error;
    std::uint64_t rip, cs, rflags, rsp, ss;

    bool from_user() const { return cs & 3; }
};
static_assert(sizeof(TrapFrame) == FRAME_SIZE);
static_assert(offsetof(TrapFrame, vector) == FRAME_VECTOR);
static_assert(offsetof(TrapFrame, cs) == FRAME_CS);
static_assert(offsetof(TrapFrame, rflags) == FRAME_RFLAGS);

// FXSAVE image. Kept per thread; the kernel itself never touches these registers.
struct alignas(16) FpuState {
    std::byte image[512];

    void reset();  // what a new thread starts with
    void save() { asm volatile("fxsave64 %0" : "=m"(*this)); }
    void restore() const { asm volatile("fxrstor64 %0" ::"m"(*this)); }
};

inline constexpr std::uint64_t kUserFlags = 0x202;  // IF and the bit that is always set

}  // namespace cox::arch
