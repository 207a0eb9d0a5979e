// SPDX-License-Identifier: MIT
// Time: the TSC is the clock, the LAPIC's one-shot timer wakes. Both are calibrated once, at boot, against the first reference
// that the machine has: PIT, HPET, ACPI PM timer, or what CPUID tells.
#pragma once
#include <cstdint>
#include <optional>

#include "core/acpi.hpp"

namespace cox::arch {

struct Clock {
    std::uint64_t tsc_hz = 0, lapic_hz = 0;
    std::uint64_t ns_per_tick_32 = 0;  // ns per TSC tick, 32.32 fixed point
    std::uint64_t ticks_per_ns_32 = 0;
    std::uint64_t lapic_per_tick_32 = 0;
    const char* reference = nullptr;

    std::uint64_t to_ns(std::uint64_t ticks) const { return scale(ticks, ns_per_tick_32); }
    // For times that this machine has seen.
    std::uint64_t past_ns(std::uint64_t ticks) const {
        return static_cast<std::uint64_t>(static_cast<unsigned __int128>(ticks) * ns_per_tick_32 >> 32);
    }
    std::uint64_t to_ticks(std::uint64_t ns) const { return scale(ns, ticks_per_ns_32); }
    std::uint64_t to_lapic(std::uint64_t ticks) const { return scale(ticks, lapic_per_tick_32); }

private:
    // Centuries: so far that a sum with the present time does not wrap.
    static constexpr std::uint64_t kLongest = std::uint64_t{1} << 62;

    static std::uint64_t scale(std::uint64_t value, std::uint64_t factor_32) {
        const auto scaled = static_cast<unsigned __int128>(value) * factor_32 >> 32;
        return scaled < kLongest ? static_cast<std::uint64_t>(scaled) : kLongest;
    }
};

extern Clock clock;

// False: no reference at all. Takes about 10 ms.
bool calibrate(const core::AcpiInfo& acpi);

// Makes every time that is told or waited for read as `factor` times what it is: a negative control (kernel/selftest.hpp).
void falsify_clock(std::uint64_t factor);

// Interrupts this CPU (kVectorTimer) at TSC time `deadline` or soon after; kNever stops it. An early interrupt is possible
// for far deadlines: the caller looks at the clock and arms again.
inline constexpr std::uint64_t kNever = ~std::uint64_t{0};
void timer_arm(std::uint64_t deadline, std::uint64_t now);

// A time as the timer takes it, for one that is armed often: from `now` on, or a little later.
struct TimerSpan {
    std::uint64_t ticks = 0;
    std::uint32_t lapic_count = 0;
};
TimerSpan timer_span(std::uint64_t ns);
void timer_arm_span(const TimerSpan& span, std::uint64_t now);

void delay_us(std::uint64_t us);  // boot time only

}  // namespace cox::arch
