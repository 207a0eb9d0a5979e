// SPDX-License-Identifier: MIT
#include "arch/timer.hpp"

#include <algorithm>

#include "arch/asm.hpp"
#include "arch/features.hpp"
#include "arch/lapic.hpp"
#include "arch/paging.hpp"

namespace cox::arch {

Clock clock;

namespace {

// A reference counter: up-counting after `read`, at `hz`, wrapping at `mask`.
struct Reference {
    const char* name;
    std::uint64_t hz;
    std::uint64_t mask;
    std::uint64_t (*read)();
};

constexpr std::uint64_t kPitHz = 1193182, kPmHz = 3579545;
constexpr std::uint64_t kWindowsPerSecond = 100;  // a window of 10 ms

std::uint16_t pm_port;
volatile std::uint64_t* hpet;

std::uint64_t read_pm() { return in32(pm_port); }
std::uint64_t read_hpet() { return hpet[0xf0 / 8]; }

// Channel 2 counts down from 0xffff and wraps; latched, then read low byte first.
std::uint64_t read_pit_up() {
    out8(0x43, 0x80);
    const std::uint64_t low = in8(0x42);
    return 0xffff - (low | std::uint64_t{in8(0x42)} << 8);
}

bool pit_runs() {
    out8(0x61, (in8(0x61) & ~2) | 1);  // gate on, speaker off
    out8(0x43, 0xb4);                  // channel 2, both bytes, rate generator
    out8(0x42, 0xff);
    out8(0x42, 0xff);
    const auto first = read_pit_up();
    for (int i = 0; i < 1000; ++i) {
        if (read_pit_up() != first) return true;
    }
    return false;
}

std::optional<Reference> find_reference(const core::AcpiInfo& acpi) {
    if (pit_runs()) return Reference{"pit", kPitHz, 0xffff, read_pit_up};
    if (acpi.hpet_base) {
        map_device(*acpi.hpet_base);
        hpet = physical_to_virtual<volatile std::uint64_t>(*acpi.hpet_base);
        const std::uint64_t femtoseconds = hpet[0] >> 32;
        hpet[0x10 / 8] = hpet[0x10 / 8] | 1;
        if (femtoseconds)
            return Reference{"hpet", 1'000'000'000'000'000 / femtoseconds, 0xffffffff, read_hpet};
    }
    if (acpi.pm_timer) {
        pm_port = acpi.pm_timer->port;
        return Reference{"pm-timer", kPmHz, 0xffffff, read_pm};
    }
    if (features.tsc_hz_by_cpuid)
        return Reference{"cpuid", features.tsc_hz_by_cpuid, ~std::uint64_t{0}, rdtsc};
    return {};
}

struct Sample {
    std::uint64_t reference, tsc, lapic;
};

// The reading with the shortest way to the reference and back, out of a few: an emulated port may take long.
Sample sample(const Reference& reference) {
    Sample best{};
    std::uint64_t shortest = ~std::uint64_t{0};
    for (int i = 0; i < 5; ++i) {
        const auto before = rdtsc();
        const auto value = reference.read();
        const auto after = rdtsc();
        if (after - before < shortest) {
            shortest = after - before;
            best = {value, before + (after - before) / 2, 0xffffffff - lapic_timer_count()};
        }
    }
    return best;
}

void set(std::uint64_t tsc_hz, std::uint64_t lapic_hz, const char* name) {
    // a / b as 32.32 fixed point; by hand, because the compiler would call a library for the 128-bit division.
    const auto ratio = [](std::uint64_t a, std::uint64_t b) {
        std::uint64_t quotient, rest;
        asm("divq %4" : "=a"(quotient), "=d"(rest) : "a"(a << 32), "d"(a >> 32), "r"(b) : "cc");
        return quotient;
    };
    clock = {
        tsc_hz, lapic_hz, ratio(1'000'000'000, tsc_hz), ratio(tsc_hz, 1'000'000'000), ratio(lapic_hz, tsc_hz),
        name};
}

}  // namespace

bool calibrate(const core::AcpiInfo& acpi) {
    const auto reference = find_reference(acpi);
    if (!reference) return false;
    if (!features.tsc_deadline) lapic_timer_start(0xffffffff);
    const auto first = sample(*reference);
    const auto window = reference->hz / kWindowsPerSecond;
    while (((reference->read() - first.reference) & reference->mask) < window) pause();
    const auto last = sample(*reference);
    if (!features.tsc_deadline) lapic_timer_start(0);
    const auto elapsed = (last.reference - first.reference) & reference->mask;
    const auto rate = [&](std::uint64_t ticks) { return ticks * reference->hz / elapsed; };
    set(rate(last.tsc - first.tsc), rate(last.lapic - first.lapic), reference->name);
    return clock.tsc_hz != 0 && (features.tsc_deadline || clock.lapic_hz != 0);
}

void falsify_clock(std::uint64_t factor) {
    set(clock.tsc_hz / factor, clock.lapic_hz / factor, clock.reference);
}

namespace {

std::uint32_t lapic_count(std::uint64_t ticks) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(clock.to_lapic(ticks) + 1, 0xffffffff));
}

}  // namespace

void timer_arm(std::uint64_t deadline, std::uint64_t now) {
    if (features.tsc_deadline) return lapic_timer_deadline(deadline == kNever ? 0 : deadline);
    if (deadline == kNever) return lapic_timer_start(0);
    now = rdtsc();  // what has been decided since would make it late
    lapic_timer_start(deadline > now ? lapic_count(deadline - now) : 1);
}

TimerSpan timer_span(std::uint64_t ns) {
    const auto ticks = clock.to_ticks(ns);
    return {ticks, lapic_count(ticks)};
}

void timer_arm_span(const TimerSpan& span, std::uint64_t now) {
    if (features.tsc_deadline) return lapic_timer_deadline(now + span.ticks);
    lapic_timer_start(span.lapic_count);
}

void delay_us(std::uint64_t us) {
    const auto end = rdtsc() + clock.to_ticks(us * 1000);
    while (rdtsc() < end) pause();
}

}  // namespace cox::arch
