// SPDX-License-Identifier: MIT
// Quirk `pvm` (docs/boot.md): a `syscall` arrives as a page fault. Such a host does all that the instruction does (RCX and R11
// hold the caller's RIP and RFLAGS, RIP is LSTAR's) but stays in user mode, where the kernel's page may not be executed.
// A user program can make the same fault by a jump, so nothing in RCX or R11 is trusted: that program has made a call, too.
#pragma once
#include "arch/asm.hpp"
#include "arch/features.hpp"
#include "arch/frame.hpp"
#include "arch/tables.hpp"

extern "C" char syscall_entry[];

namespace cox::arch {

inline bool is_syscall_fault(const TrapFrame& frame) {
    constexpr std::uint64_t kPresent = 1, kUser = 4, kFetch = 16;
    const auto entry = reinterpret_cast<std::uint64_t>(syscall_entry);
    return features.syscall_faults && frame.vector == kVectorPageFault && frame.rip == entry &&
           (frame.error & ~kFetch) == (kPresent | kUser) && read_cr2() == entry;
}

// The frame as `syscall` would have saved it. It returns by iretq, which such a host interprets, as it does not sysret.
inline void become_syscall(TrapFrame& frame) {
    constexpr std::uint64_t kArithmetic = 0x8d5, kDirection = 0x400, kAlignmentCheck = 0x40000,
                            kId = 0x200000;
    frame.rip = frame.rcx;
    frame.rflags = (frame.r11 & (kArithmetic | kDirection | kAlignmentCheck | kId)) | kUserFlags;
    frame.cs = USER_CODE;
    frame.ss = USER_DATA;
}

}  // namespace cox::arch
