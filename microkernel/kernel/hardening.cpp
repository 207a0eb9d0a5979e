// SPDX-License-Identifier: MIT
#include "kernel/hardening.hpp"

#include <array>
#include <cstdint>
#include <cstring>

#include "arch/asm.hpp"
#include "arch/features.hpp"
#include "kernel/panic.hpp"

extern "C" char text_start[], text_end[];

extern "C" {
// One for all CPUs: GS may still be the user's where a function of the kernel begins.
std::uint64_t __stack_chk_guard = 0x5bd1'e995'2f0b'7d00;  // NOLINT: the compiler names it

[[noreturn]] void __stack_chk_fail() { cox::panic("a stack frame was overwritten"); }
}

namespace cox {

namespace {

// By the number that clang gives its checks (clang/lib/CodeGen/CodeGenFunction.h, SanitizerHandler).
constexpr std::array<const char*, 23> kChecks = {
    "undefined behaviour: an addition overflows",
    "undefined behaviour: an unreachable place is reached",
    "undefined behaviour: a call by a wrong type",
    "undefined behaviour: a division by zero, or one that overflows",
    "undefined behaviour: a wrong dynamic type",
    "undefined behaviour: a conversion of a float overflows",
    "undefined behaviour: a function of another type",
    "undefined behaviour: a conversion changes the value",
    "undefined behaviour: a builtin is given 0",
    "undefined behaviour: a cast to a wrong type",
    "undefined behaviour: a value that its type does not have",
    "undefined behaviour: a function ends without a value",
    "undefined behaviour: a multiplication overflows",
    "undefined behaviour: a negation overflows",
    "undefined behaviour: an argument is null",
    "undefined behaviour: a result is null",
    "undefined behaviour: an argument is null",
    "undefined behaviour: a result is null",
    "undefined behaviour: an index out of bounds",
    "undefined behaviour: a pointer leaves its object",
    "undefined behaviour: a shift by too much",
    "undefined behaviour: a subtraction overflows",
    "undefined behaviour: a null or misaligned pointer",
};

}  // namespace

[[clang::no_stack_protector]] void seed_stack_guard() {
    std::uint64_t value = arch::rdtsc() * 0x9e37'79b9'7f4a'7c15;
    if (arch::features.rdrand) value ^= arch::random_or_zero();
    __stack_chk_guard = value & ~std::uint64_t{0xff};  // what copies text stops at a zero
}

// The trap is `ud1 number(%eax), %eax`: 67 0f b9 40 number, or 67 0f b9 00 for number 0.
const char* undefined_behaviour(const arch::TrapFrame& frame) {
    constexpr std::uint64_t kInvalidOpcode = 6;
    constexpr std::size_t kLength = 5;
    const auto text = [](const char* p) { return reinterpret_cast<std::uint64_t>(p); };
    if (frame.vector != kInvalidOpcode || frame.rip < text(text_start) ||
        frame.rip + kLength > text(text_end))
        return nullptr;
    std::array<std::uint8_t, kLength> code;
    std::memcpy(code.data(), reinterpret_cast<const void*>(frame.rip), code.size());
    if (code[0] != 0x67 || code[1] != 0x0f || code[2] != 0xb9) return nullptr;
    const std::size_t number = code[3] == 0 ? 0 : code[4];
    return number < kChecks.size() ? kChecks[number] : "undefined behaviour";
}

}  // namespace cox
