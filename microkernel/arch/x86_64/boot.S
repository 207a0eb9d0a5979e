// SPDX-License-Identifier: MIT
// The two doors into the kernel, and the way from 32-bit protected mode without paging to long mode in
// the higher half. Multiboot2 (GRUB) comes with EAX = magic, EBX = information; PVH with EBX = start info.
//
// The boot tables map the first 4 GiB three times: at 0 (for this code), at the physical map's base, and
// the first of them at the kernel's base. paging.cpp replaces them.

#define KERNEL_BASE 0xffffffff80000000
#define PHYS(symbol) ((symbol) - KERNEL_BASE)

.section .multiboot2, "a"
.align 8
multiboot2_header:
    .long 0xe85250d6                                  // magic
    .long 0                                           // architecture: i386
    .long multiboot2_header_end - multiboot2_header
    .long -(0xe85250d6 + 0 + (multiboot2_header_end - multiboot2_header))
    .align 8
    .short 0, 0                                       // end tag
    .long 8
multiboot2_header_end:

.section .note.Xen, "a", @note
.align 4
    .long 4, 4, 18                                    // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_start

.section .boot.text, "ax"
.code32
.global pvh_start
pvh_start:
    movl $1, %edi                                     // cox::BootDoor::kPvh
    jmp start

.global multiboot2_start
multiboot2_start:
    xorl %edi, %edi                                   // cox::BootDoor::kMultiboot2
    cmpl $0x36d76289, %eax
    je start
    movl $2, %edi                                     // not a loader that we know: C++ says so
start:
    cli
    cld
    movl %ebx, %esi
    movl $PHYS(boot_stack_top), %esp
    // Long mode, or nothing.
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx
    jz no_long_mode

    movl %cr4, %eax
    orl $(1 << 5), %eax                               // PAE
    movl %eax, %cr4
    movl $PHYS(boot_pml4), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx                            // EFER
    rdmsr
    orl $(1 << 8), %eax                               // LME
    wrmsr
    movl %cr0, %eax
    orl $0x80010001, %eax                             // PG, WP, PE
    movl %eax, %cr0
    lgdt PHYS(boot_gdt_pointer)
    ljmp $8, $long_mode

no_long_mode:
    movw $0x3f8, %dx
    movl $no_long_mode_text, %ebx
1:  movb (%ebx), %al
    testb %al, %al
    jz 2f
    outb %al, %dx
    incl %ebx
    jmp 1b
2:  movw $0xf4, %dx
    movb $0x13, %al                                   // ExitCode::kUnsupported
    outb %al, %dx
3:  hlt
    jmp 3b
no_long_mode_text:
    .asciz "coxswain: unsupported machine: no 64-bit mode\r\n"

.code64
long_mode:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movabsq $boot_stack_top, %rsp
    xorl %ebp, %ebp
    movabsq $kernel_main, %rax
    call *%rax                                        // kernel_main(door, information)
1:  hlt
    jmp 1b

.section .boot.data, "aw"
.align 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff                          // 64-bit code
    .quad 0x00cf92000000ffff                          // data
boot_gdt_pointer:
    .short . - boot_gdt - 1
    .quad PHYS(boot_gdt)

.align 4096
.global boot_pml4
boot_pml4:
    .quad PHYS(boot_pdpt_low) + 3
    .fill 255, 8, 0
    .quad PHYS(boot_pdpt_low) + 3                     // 0xffff800000000000
    .fill 254, 8, 0
    .quad PHYS(boot_pdpt_high) + 3
boot_pdpt_low:
    .quad PHYS(boot_pd) + 3
    .quad PHYS(boot_pd) + 4096 + 3
    .quad PHYS(boot_pd) + 8192 + 3
    .quad PHYS(boot_pd) + 12288 + 3
    .fill 508, 8, 0
boot_pdpt_high:
    .fill 510, 8, 0
    .quad PHYS(boot_pd) + 3                           // 0xffffffff80000000
    .quad 0
boot_pd:
    .set i, 0
    .rept 2048
    .quad (i << 21) + 0x83                            // present, writable, 2 MiB
    .set i, i + 1
    .endr

.bss
.align 4096
.global boot_stack_guard
boot_stack_guard:                                     // paging.cpp takes it away
    .skip 4096
boot_stack:
    .skip 16384
boot_stack_top:
