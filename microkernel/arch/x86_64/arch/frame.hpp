// SPDX-License-Identifier: MIT
// What entry.S saves, in the order in which it lies in memory.
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
static_assert(offsetof(TrapFrame, rip) == FRAME_RIP && offsetof(TrapFrame, rsp) == FRAME_RSP);
static_assert(offsetof(TrapFrame, r15) == FRAME_R15 && offsetof(TrapFrame, r14) == FRAME_R14);
static_assert(offsetof(TrapFrame, r13) == FRAME_R13 && offsetof(TrapFrame, r12) == FRAME_R12);
static_assert(offsetof(TrapFrame, rbp) == FRAME_RBP && offsetof(TrapFrame, rbx) == FRAME_RBX);
static_assert(offsetof(TrapFrame, r10) == FRAME_R10 && offsetof(TrapFrame, r9) == FRAME_R9);
static_assert(offsetof(TrapFrame, r8) == FRAME_R8 && offsetof(TrapFrame, rax) == FRAME_RAX);
static_assert(offsetof(TrapFrame, rdx) == FRAME_RDX && offsetof(TrapFrame, rsi) == FRAME_RSI);
static_assert(offsetof(TrapFrame, rdi) == FRAME_RDI);

inline constexpr std::uint64_t kUserFlags = 0x202;  // IF and the bit that is always set

}  // namespace cox::arch
