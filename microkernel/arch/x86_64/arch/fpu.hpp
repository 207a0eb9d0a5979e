// SPDX-License-Identifier: MIT
// A thread's floating-point and vector state. The kernel itself never touches these registers. One format serves all
// threads, chosen at boot: XSAVE's standard one where XSAVE and AVX are there, else FXSAVE's, which is its beginning.
//
//     0 x87 and SSE │ 512 header: which parts are not in their initial state │ 576 upper halves of YMM │ 832
//
// AVX-512 stays off: its state, 2,688 bytes, would double what each of 2048 threads has set aside, for CPUs on which
// nothing of this was tried.
#pragma once
#include <cstddef>
#include <cstdint>

#include "arch/features.hpp"

namespace cox::arch {

struct alignas(64) FpuState {
    std::byte image[832];

    void reset();  // what a new thread starts with

    // What EDX holds does not matter: only bits that are set in XCR0 count.
    void save() {
        if (features.xsaveopt) [[likely]] {
            save_optimized();
        } else if (features.xsave) {
            asm volatile("xsave64 %0" : "+m"(*this) : "a"(kXcr0));
        } else {
            asm volatile("fxsave64 %0" : "+m"(*this));
        }
    }
    void restore() const {
        if (features.xsave) [[likely]] {
            restore_extended();
        } else {
            asm volatile("fxrstor64 %0" ::"m"(*this));
        }
    }

    // For those who know that features.xsaveopt is there.
    void save_optimized() { asm volatile("xsaveopt64 %0" : "+m"(*this) : "a"(kXcr0)); }
    void restore_extended() const { asm volatile("xrstor64 %0" ::"m"(*this), "a"(kXcr0)); }

    static constexpr std::uint32_t kXcr0 = 7;  // x87, SSE, AVX
};
static_assert(sizeof(FpuState) == 832);

}  // namespace cox::arch
