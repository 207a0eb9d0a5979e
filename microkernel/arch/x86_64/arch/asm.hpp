// SPDX-License-Identifier: MIT
// The instructions that C++ has no word for.
#pragma once
#include <cstdint>

namespace cox::arch {

inline void out8(std::uint16_t port, std::uint8_t value) {
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
inline std::uint8_t in8(std::uint16_t port) {
    std::uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline std::uint32_t in32(std::uint16_t port) {
    std::uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline std::uint16_t in16(std::uint16_t port) {
    std::uint16_t value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline void out16(std::uint16_t port, std::uint16_t value) {
    asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
inline void out32(std::uint16_t port, std::uint32_t value) {
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

inline std::uint64_t read_msr(std::uint32_t msr) {
    std::uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return std::uint64_t{high} << 32 | low;
}
inline void write_msr(std::uint32_t msr, std::uint64_t value) {
    asm volatile("wrmsr" ::"c"(msr), "a"(static_cast<std::uint32_t>(value)),
                 "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

inline void write_msr(std::uint32_t msr, std::uint32_t low, std::uint32_t high) {
    asm volatile("wrmsr" ::"c"(msr), "a"(low), "d"(high) : "memory");
}

inline std::uint64_t rdtsc() {
    std::uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return std::uint64_t{high} << 32 | low;
}

// Where CPUID says that it is there (Features::rdrand). 0: the source was dry.
inline std::uint64_t random_or_zero() {
    std::uint64_t value;
    bool filled;
    for (int attempt = 0; attempt < 10; ++attempt) {
        asm volatile("rdrand %0" : "=r"(value), "=@ccc"(filled));
        if (filled) return value;
    }
    return 0;
}

inline std::uint64_t read_cr0() {
    std::uint64_t v;
    asm volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}
inline std::uint64_t read_cr2() {
    std::uint64_t v;
    asm volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}
inline std::uint64_t read_cr3() {
    std::uint64_t v;
    asm volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}
inline std::uint64_t read_cr4() {
    std::uint64_t v;
    asm volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}
inline void write_cr0(std::uint64_t v) { asm volatile("mov %0, %%cr0" ::"r"(v) : "memory"); }
inline void write_cr3(std::uint64_t v) { asm volatile("mov %0, %%cr3" ::"r"(v) : "memory"); }
inline void write_cr4(std::uint64_t v) { asm volatile("mov %0, %%cr4" ::"r"(v) : "memory"); }

inline void write_xcr0(std::uint32_t v) { asm volatile("xsetbv" ::"c"(0), "a"(v), "d"(0)); }

inline void invalidate_page(std::uint64_t address) { asm volatile("invlpg (%0)" ::"r"(address) : "memory"); }

// Orders this CPU's earlier stores before its later loads. Not mfence: a locked instruction is quicker, and known to
// interpreters of kernel mode.
inline void full_fence() { asm volatile("lock orl $0, (%%rsp)" ::: "memory", "cc"); }

inline void pause() { asm volatile("pause" ::: "memory"); }
// Sleeps until the next interrupt and takes it. The shadow of sti closes the gap before hlt. What the interrupt's function may overwrite
// is given up here, so that its entry (entry.S, trap_from_kernel_mode) saves nothing.
inline void wait_for_interrupt() {
    asm volatile("sti; hlt; cli" ::
                     : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
}
[[noreturn]] inline void halt_forever() {
    for (;;) asm volatile("cli; hlt");
}

// Fills and copies of 8-byte words. `rep` with 8-byte words counts least under exact counting.
inline void fill_words(void* to, std::uint64_t word, std::uint64_t words) {
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
}

}  // namespace cox::arch
