// SPDX-License-Identifier: MIT
//
// MXCSR and the x87 control word.
#pragma once

#include <cstdint>

namespace test {

// As pattern() makes them: rounding in one of four ways, flushing to zero or not, with all exceptions masked.
struct Control {
    std::uint32_t mxcsr;
    std::uint16_t x87;

    static Control pattern(std::uint64_t number) {
        const auto bits = static_cast<std::uint32_t>(number);
        return {.mxcsr = 0x1f80U | (bits & 3) << 13 | (bits >> 2 & 1) << 15,
                .x87 = static_cast<std::uint16_t>(0x37fU | (bits >> 3 & 3) << 10)};
    }
    static Control now() {
        Control read{};
        asm volatile("stmxcsr %0; fnstcw %1" : "=m"(read.mxcsr), "=m"(read.x87));
        return read;
    }
    void set() const { asm volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(x87)); }
    friend bool operator==(const Control&, const Control&) = default;
};

}  // namespace test
