/* SPDX-License-Identifier: MIT */
/* The first instruction of a program. RDI: StartInfo. RSP: 64-aligned, the top of the stack. FS base: kTcbSize below it.
   BSS is zero already. Thread-local variables and the TCB stay above the stack. The zero frame pointer ends backtraces. */
    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    xorl %ebp, %ebp
    movq %rsp, %rsi
    subq $cap_tls_area, %rsp
    call cap_start
    ud2
    .size _start, . - _start

/* The first instruction of a sibling thread. RDI: the ThreadStart record; RSP as above. */
    .globl cap_thread_entry
    .type cap_thread_entry, @function
cap_thread_entry:
    xorl %ebp, %ebp
    call cap_thread_start
    ud2
    .size cap_thread_entry, . - cap_thread_entry

    .section .note.GNU-stack, "", @progbits
