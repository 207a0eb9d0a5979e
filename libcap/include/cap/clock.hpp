// SPDX-License-Identifier: MIT
//
// Time from the TSC, which runs at the same rate and agrees on all CPUs (the kernel refuses other machines).
// Conversion is a 64 x 64 -> 128 bit multiply and a shift; its error is below 1 ns per second at 1 GHz and
// more.
#pragma once

#include <cstdint>

namespace cap {

inline std::uint64_t read_tsc() {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return std::uint64_t{high} << 32 | low;
}

class Clock {
public:
    // 1 MHz <= tsc_hz < 16 GHz.
    constexpr explicit Clock(std::uint64_t tsc_hz)
        : ns_per_tick_((kNsPerSecond << kNsShift) / tsc_hz),
          ticks_per_ns_((tsc_hz << kTicksShift) / kNsPerSecond) {}

    [[nodiscard]] constexpr std::uint64_t ns(std::uint64_t ticks) const {
        return static_cast<std::uint64_t>(Wide{ticks} * ns_per_tick_ >> kNsShift);
    }
    [[nodiscard]] constexpr std::uint64_t ticks(std::uint64_t ns) const {
        return static_cast<std::uint64_t>(Wide{ns} * ticks_per_ns_ >> kTicksShift);
    }
    [[nodiscard]] std::uint64_t now_ns() const { return ns(read_tsc()); }

private:
    __extension__ using Wide = unsigned __int128;
    static constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    static constexpr unsigned kNsShift = 32;     // 10^9 < 2^30
    static constexpr unsigned kTicksShift = 30;  // tsc_hz < 2^34

    std::uint64_t ns_per_tick_;
    std::uint64_t ticks_per_ns_;
};

}  // namespace cap
