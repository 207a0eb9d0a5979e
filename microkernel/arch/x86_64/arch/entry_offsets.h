// SPDX-License-Identifier: MIT
// Numbers that entry.S shares with C++; frame.hpp and kernel/cpu.hpp assert that they agree.
#pragma once
#define CPU_KERNEL_STACK 8
#define CPU_USER_RSP 16
#define CPU_EXIT_WORK 24
#define CPU_FRAME_TOP 36  // TSS.rsp0

#define FRAME_R15 0
#define FRAME_R14 8
#define FRAME_R13 16
#define FRAME_R12 24
#define FRAME_RBP 32
#define FRAME_RBX 40
#define FRAME_R10 56
#define FRAME_R9 64
#define FRAME_R8 72
#define FRAME_RAX 80
#define FRAME_RDX 96
#define FRAME_RSI 104
#define FRAME_RDI 112
#define FRAME_VECTOR 120
#define FRAME_RIP 136
#define FRAME_CS 144
#define FRAME_RFLAGS 152
#define FRAME_RSP 160
#define FRAME_SIZE 176
#define FRAME_CALLS 176

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_DATA 0x1b
#define USER_CODE 0x23
#define TSS_SELECTOR 0x28

#define VECTOR_SYSCALL 256
#define FIRST_INTERRUPT 32  // vectors below are exceptions
#define CALL_COUNT 3
#define RFLAGS_AC 0x40000
#define MSR_GS_BASE 0xc0000101
#define IST_STACK_SIZE 8192
