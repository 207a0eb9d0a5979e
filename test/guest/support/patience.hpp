// SPDX-License-Identifier: MIT
//
// Time in guest tests. Under emulation on a busy host any thread may stand still for long, so a test never
// concludes anything from how long something took; it waits for what must come, and patience_ns is only how
// long until it calls that lost. It is set once, before the first case, by `patience_ms=`: a run that must fail need not wait
// as long for what has been lost on purpose.
#pragma once

#include "abi/ring.hpp"
#include "cap/clock.hpp"
#include "cap/syscall.hpp"

#include <cstdint>

namespace test {

inline constexpr std::uint64_t kMicrosecond = 1'000;
inline constexpr std::uint64_t kMillisecond = 1'000'000;
inline std::uint64_t patience_ns = 20'000 * kMillisecond;

// The calling thread waits for more completions than there can be, so for nothing but the time.
inline void sleep_ns(std::uint64_t ns) { (void)cap::cap_enter(cox::abi::kCqEntries, ns); }

// Keep their CPU.
inline void delay_until(std::uint64_t tsc) {
    while (cap::read_tsc() < tsc) {
    }
}
inline void delay_ticks(std::uint64_t ticks) { delay_until(cap::read_tsc() + ticks); }

// Looks again and again, sleeping in between, until `condition()` holds -> whether it does.
template <class Condition>
bool eventually(const cap::Clock& clock, Condition condition, std::uint64_t limit_ns = patience_ns) {
    const std::uint64_t begin = clock.now_ns();
    std::uint64_t pause_ns = 20 * kMicrosecond;
    while (!condition()) {
        if (clock.now_ns() - begin > limit_ns) {
            return condition();
        }
        sleep_ns(pause_ns);
        pause_ns = pause_ns < kMillisecond ? pause_ns * 2 : kMillisecond;
    }
    return true;
}

// Whether `condition()` holds throughout.
template <class Condition>
bool throughout(const cap::Clock& clock, std::uint64_t duration_ns, Condition condition) {
    return !eventually(clock, [&] { return !condition(); }, duration_ns);
}

}  // namespace test
