// SPDX-License-Identifier: MIT
// Where an application processor starts: real mode, at the page to which smp.cpp copies this code
// (physical 0x8000). The boot processor fills in the four words at the end before it sends SIPI. Each
// processor finds its own number by its APIC id, so they may come in any order and all at once.

#define TRAMPOLINE 0x8000
#define HERE(symbol) (TRAMPOLINE + (symbol) - trampoline_start)

.section .rodata
.global trampoline_start, trampoline_end, trampoline_words
.code16
trampoline_start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl HERE(gdt_pointer)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $8, $HERE(protected)
.code32
protected:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %cr4, %eax
    orl $(1 << 5), %eax                               // PAE
    movl %eax, %cr4
    movl HERE(trampoline_words), %eax                 // CR3: below 4 GiB
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl HERE(trampoline_words) + 8, %eax              // LME, and NXE where present
    wrmsr
    movl %cr0, %eax
    andl $0x9fffffff, %eax                            // caches on: INIT leaves CD and NW set
    orl $0x80010001, %eax
    movl %eax, %cr0
    ljmp $0x18, $HERE(long_mode_ap)
.code64
long_mode_ap:
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq HERE(trampoline_words) + 16, %rsi            // table: stack top by APIC id
    movl $1, %eax
    cpuid
    shrl $24, %ebx                                    // 8-bit APIC id
    movq (%rsi, %rbx, 8), %rsp
    testq %rsp, %rsp
    jz 1f                                             // nobody expects this processor
    movq HERE(trampoline_words) + 24, %rax
    movl %ebx, %edi
    xorl %ebp, %ebp
    call *%rax                                        // ap_main(apic id)
1:  cli
    hlt
    jmp 1b

.align 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff                          // 32-bit code
    .quad 0x00cf92000000ffff                          // data
    .quad 0x00af9a000000ffff                          // 64-bit code
gdt_pointer:
    .short . - gdt - 1
    .long HERE(gdt)
.align 8
trampoline_words:
    .quad 0, 0, 0, 0
trampoline_end:
