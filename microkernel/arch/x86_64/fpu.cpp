// SPDX-License-Identifier: MIT
#include "arch/fpu.hpp"

#include <cstring>

namespace cox::arch {

// An empty header makes XRSTOR initialise all but MXCSR, whatever stands in the other parts: what a thread before has left there is
// loaded nowhere. FXRSTOR takes all from the part before it.
void FpuState::reset() {
    constexpr std::size_t kHeader = 512, kLegacyAndHeader = 576;
    if (features.xsave)
        std::memset(image + kHeader, 0, kLegacyAndHeader - kHeader);
    else
        std::memset(image, 0, kLegacyAndHeader);
    const std::uint16_t control = 0x37f;       // x87: all exceptions masked, 64-bit precision
    const std::uint32_t sse_control = 0x1f80;  // SSE: all exceptions masked
    std::memcpy(image, &control, sizeof control);
    std::memcpy(image + 24, &sse_control, sizeof sse_control);
}

}  // namespace cox::arch
