// SPDX-License-Identifier: MIT
//
// The three system calls, one inline function each. abi/calls.hpp has the registers; docs/abi.md the meaning.
// Any thread may call them. Most code uses the typed capabilities and Ring instead.
#pragma once

#include "abi/calls.hpp"
#include "abi/types.hpp"

#include <cstdint>

namespace cap {

namespace abi = cox::abi;

struct CallResult {
    std::int64_t result;  // or abi::Error
    std::uint64_t result2;
};

struct EnterResult {
    std::int64_t ready;       // completions in the queue, or abi::Error
    std::uint64_t submitted;  // entries that the kernel took from the submission queue
};

inline CallResult cap_call(abi::CapSlot slot, abi::Op op, std::uint64_t a0 = 0, std::uint64_t a1 = 0,
                           std::uint64_t a2 = 0, std::uint64_t a3 = 0) {
    auto rax = static_cast<std::uint64_t>(abi::Call::kCapCall);
    std::uint64_t rdx = a0;
    register std::uint64_t r10 asm("r10") = a1;
    register std::uint64_t r8 asm("r8") = a2;
    register std::uint64_t r9 asm("r9") = a3;
    asm volatile("syscall"
                 : "+a"(rax), "+d"(rdx)
                 : "D"(slot.raw()), "S"(static_cast<std::uint64_t>(op)), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return {static_cast<std::int64_t>(rax), rdx};
}

inline EnterResult cap_enter(std::uint64_t min_complete, std::uint64_t timeout_ns) {
    auto rax = static_cast<std::uint64_t>(abi::Call::kCapEnter);
    std::uint64_t rdx = 0;
    asm volatile("syscall"
                 : "+a"(rax), "=d"(rdx)
                 : "D"(min_complete), "S"(timeout_ns)
                 : "rcx", "r11", "memory");
    return {static_cast<std::int64_t>(rax), rdx};
}

[[noreturn]] inline void thread_exit(std::uint64_t code) {
    asm volatile("syscall" : : "a"(static_cast<std::uint64_t>(abi::Call::kThreadExit)), "D"(code) : "memory");
    __builtin_unreachable();
}

}  // namespace cap
