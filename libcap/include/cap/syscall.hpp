// SPDX-License-Identifier: MIT
//
// The three system calls, one inline function each. abi/calls.hpp has the registers; docs/abi.md the meaning.
// Any thread may call them. Most code uses the typed capabilities and Ring instead.
#pragma once

#include "abi/calls.hpp"
#include "abi/types.hpp"

#include <array>
#include <concepts>
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

// Of the arguments a0 to a3 as many as the operation has; the registers of the others keep what is in them.
template <std::convertible_to<std::uint64_t>... Arguments>
    requires(sizeof...(Arguments) <= 4)
inline CallResult cap_call(abi::CapSlot slot, abi::Op op, Arguments... arguments) {
    constexpr auto kCount = sizeof...(Arguments);
    const std::array<std::uint64_t, kCount> given{static_cast<std::uint64_t>(arguments)...};
    auto rax = static_cast<std::uint64_t>(abi::Call::kCapCall);
    register std::uint64_t rdx asm("rdx");
    register std::uint64_t r10 asm("r10");
    register std::uint64_t r8 asm("r8");
    register std::uint64_t r9 asm("r9");
    asm volatile(""
                 : "=r"(rdx), "=r"(r10), "=r"(r8),
                   "=r"(r9));  // no instruction: their values are whatever they are
    if constexpr (kCount > 0) {
        rdx = given[0];
    }
    if constexpr (kCount > 1) {
        r10 = given[1];
    }
    if constexpr (kCount > 2) {
        r8 = given[2];
    }
    if constexpr (kCount > 3) {
        r9 = given[3];
    }
    asm volatile("syscall"
                 : "+a"(rax), "+r"(rdx)
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
