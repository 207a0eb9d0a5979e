// SPDX-License-Identifier: MIT
// Every way into the kernel, and the ways out. Entry saves, calls, restores, and nothing else.
//
// From user mode the registers go straight into the current thread's TrapFrame, to whose end TSS.rsp0
// (CPU_FRAME_TOP) points. Then the CPU's own kernel stack is used. The kernel runs with interrupts off; they are on only
// in user mode and at the idle loop's hlt.
//
// A system call saves at first only what C++ may overwrite; the rest is where it was when the function returns.
// Most calls change nothing about who runs: then it goes straight back. Else (Cpu::exit_work) the frame is made
// complete, and the thread can be switched away from.
//
// NMI, #DB, #DF and #MC may come between an entry and its swapgs. They have stacks of their own (IST), the
// base of which holds the Cpu's address, and they never judge by the sign of GS.

#include "arch/entry_offsets.h"

.macro PUSH_REGISTERS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm

// Relative to the frame's end.
#define IN_FRAME(member) (FRAME_##member - FRAME_SIZE)

.macro POP_REGISTERS
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
.endm

.text
.global syscall_entry
.balign 64
syscall_entry:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    movq %gs:CPU_FRAME_TOP, %rsp
    movq %rcx, IN_FRAME(RIP)(%rsp)
    movq %r11, IN_FRAME(RFLAGS)(%rsp)
    movq %rdi, IN_FRAME(RDI)(%rsp)
    movq %rsi, IN_FRAME(RSI)(%rsp)
    movq %r8, IN_FRAME(R8)(%rsp)
    movq %r9, IN_FRAME(R9)(%rsp)
    movq %r10, IN_FRAME(R10)(%rsp)
    incl IN_FRAME(CALLS)(%rsp)
    movq %gs:CPU_KERNEL_STACK, %rsp
    cmpq direct_calls, %rax
    jae 2f
0:  movq %r10, %rcx                                   // C++ has the fourth argument there
    call *call_table(, %rax, 8)                       // result in RAX, second in RDX
1:  cmpl $0, %gs:CPU_EXIT_WORK
    jne finish_syscall
    movq %gs:CPU_FRAME_TOP, %r11
    movq IN_FRAME(RDI)(%r11), %rdi
    movq IN_FRAME(RSI)(%r11), %rsi
    movq IN_FRAME(R8)(%r11), %r8
    movq IN_FRAME(R9)(%r11), %r9
    movq IN_FRAME(R10)(%r11), %r10
    movq IN_FRAME(RIP)(%r11), %rcx
    movq IN_FRAME(RFLAGS)(%r11), %r11
    movq %gs:CPU_USER_RSP, %rsp
    swapgs
    sysretq
2:  cmpq $0, direct_calls
    jne 3f
    pushq %rdx                                        // a traced call: trace_call keeps the other arguments
    pushq %rax
    movq %rax, %rdx
    call trace_call
    popq %rax
    popq %rdx
3:  cmpq $CALL_COUNT, %rax
    jb 0b
    call call_unknown
    jmp 1b

// What syscall_entry has left out of the frame, whose end is in RDI.
.macro SAVE_REST
    movq %rbx, IN_FRAME(RBX)(%rdi)
    movq %rbp, IN_FRAME(RBP)(%rdi)
    movq %r12, IN_FRAME(R12)(%rdi)
    movq %r13, IN_FRAME(R13)(%rdi)
    movq %r14, IN_FRAME(R14)(%rdi)
    movq %r15, IN_FRAME(R15)(%rdi)
    movq $VECTOR_SYSCALL, IN_FRAME(VECTOR)(%rdi)
    movq %gs:CPU_USER_RSP, %rax
    movq %rax, IN_FRAME(RSP)(%rdi)
    xorl %ebp, %ebp
.endm

// The thread's frame is made complete.
.macro COMPLETE_FRAME result, second
    movq %gs:CPU_FRAME_TOP, %rdi
    movq \result, IN_FRAME(RAX)(%rdi)
    movq \second, IN_FRAME(RDX)(%rdi)
    SAVE_REST
.endm

finish_syscall:
    COMPLETE_FRAME %rax, %rdx
    call finish_call
    jmp leave_to_user

// A call that succeeds with 0 and takes its thread off the CPU ends in a jump to one of these, instead of returning: nothing of
// what it has left on the stack is needed. Only from syscall_entry, while nothing is left to do (Cpu::exit_work).
.macro SWITCH_BY name, function
.global \name
\name:
    addq $8, %rsp                                     // the return address
    COMPLETE_FRAME $0, $0
    call \function
.endm

// The same for messages: what the call was is in the frame, RDX too, and RAX is not; and they leave by themselves.
.macro SWITCH_BY_MESSAGE name, function
.global \name
\name:
    movq %gs:CPU_FRAME_TOP, %rdi
    movq %rdx, IN_FRAME(RDX)(%rdi)
    SAVE_REST
    jmp \function
.endm

SWITCH_BY_MESSAGE switch_by_call, call_directly
SWITCH_BY_MESSAGE switch_by_reply, reply_directly
SWITCH_BY switch_by_park, park_directly
    jmp leave_to_user
SWITCH_BY switch_by_yield, yield_directly
    // Falls through.

// RAX = frame of the thread to run.
.global leave_to_user
leave_to_user:
    movq %rax, %rsp
    cmpq $VECTOR_SYSCALL, FRAME_VECTOR(%rsp)
    jne 1f
.global leave_by_sysret
leave_by_sysret:                                      // RSP = such a frame, of one that has come by a system call
    movq FRAME_R15(%rsp), %r15                        // RCX and R11 are the call's
    movq FRAME_R14(%rsp), %r14
    movq FRAME_R13(%rsp), %r13
    movq FRAME_R12(%rsp), %r12
    movq FRAME_RBP(%rsp), %rbp
    movq FRAME_RBX(%rsp), %rbx
    movq FRAME_R10(%rsp), %r10
    movq FRAME_R9(%rsp), %r9
    movq FRAME_R8(%rsp), %r8
    movq FRAME_RAX(%rsp), %rax
    movq FRAME_RDX(%rsp), %rdx
    movq FRAME_RSI(%rsp), %rsi
    movq FRAME_RDI(%rsp), %rdi
    movq FRAME_RIP(%rsp), %rcx
    movq FRAME_RFLAGS(%rsp), %r11
    movq FRAME_RSP(%rsp), %rsp
    swapgs
    sysretq
1:  POP_REGISTERS
    addq $16, %rsp
    swapgs
    iretq

// void enter_dispatch(stack top): forgets the caller and dispatches for ever.
.global enter_dispatch
enter_dispatch:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call first_dispatch
    jmp leave_to_user

// Interrupts and exceptions: vector and error code are on the stack.
trap_common:
    cld
    testb $3, 24(%rsp)
    jz trap_from_kernel_mode
    swapgs
    PUSH_REGISTERS
    movq %rsp, %rdi
    movq %gs:CPU_KERNEL_STACK, %rsp
    xorl %ebp, %ebp
    testl $RFLAGS_AC, FRAME_RFLAGS(%rdi)              // an interrupt gate leaves AC, and with it SMAP, as it was
    jz 1f
    pushfq
    andl $~RFLAGS_AC, (%rsp)
    popfq
1:  call trap_from_user
    jmp leave_to_user

// An interrupt, which only the idle loop takes: there wait_for_interrupt() expects of the registers no more than of a function that it
// calls. An exception is a kernel bug.
trap_from_kernel_mode:
    cmpq $FIRST_INTERRUPT, (%rsp)                     // vector
    jb 1f
    movq (%rsp), %rdi
    subq $8, %rsp                                     // the CPU has aligned the stack, and pushed five words
    call interrupt_idle
    addq $24, %rsp
    iretq
1:  PUSH_REGISTERS
    movq %rsp, %rdi
    call trap_from_kernel                             // does not return

// The same on an IST stack. RBX: 1 if swapgs restores GS, else R12 holds the base to put back.
ist_common:
    cld
    PUSH_REGISTERS
    movq %rsp, %rdi
    pushfq
    andl $~RFLAGS_AC, (%rsp)
    popfq
    movq %rsp, %rsi
    andq $-IST_STACK_SIZE, %rsi
    movq (%rsi), %rsi                                 // Cpu*
    testb $3, FRAME_CS(%rdi)
    jz 1f
    swapgs
    movl $1, %ebx
    jmp 2f
1:  xorl %ebx, %ebx
    movl $MSR_GS_BASE, %ecx
    rdmsr
    movl %eax, %r12d
    movl %edx, %r13d
    movq %rsi, %rax
    movq %rsi, %rdx
    shrq $32, %rdx
    wrmsr
2:  movq %rdi, %r14
    call trap_on_ist                                  // returns 0: go back; or a user frame to go on with
    testq %rax, %rax
    jz 3f
    movq %rax, %rdi
    movq %gs:CPU_KERNEL_STACK, %rsp
    xorl %ebp, %ebp
    call trap_from_user
    jmp leave_to_user
3:  testl %ebx, %ebx
    jz 4f
    swapgs
    jmp 5f
4:  movl $MSR_GS_BASE, %ecx
    movl %r12d, %eax
    movl %r13d, %edx
    wrmsr
5:  movq %r14, %rsp
    POP_REGISTERS
    addq $16, %rsp
    iretq

.section .rodata
.balign 8
call_table:                                           // by abi::Call
    .quad call_capability, call_enter, call_thread_exit
.if . - call_table != 8 * CALL_COUNT
    .error "CALL_COUNT"
.endif
.text

// Stubs for all 256 vectors, 16 bytes each.
.global trap_stubs
.balign 16
trap_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    pushq $0
    .endif
    pushq $vector
    .if vector == 1 || vector == 2 || vector == 8 || vector == 18
    jmp ist_common
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
.endr
