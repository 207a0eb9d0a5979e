// SPDX-License-Identifier: MIT
// The local APIC of the executing CPU: identity, IPIs, the one-shot timer. Callers do not see whether its registers are
// memory (xAPIC) or MSRs (x2APIC), nor care whether the timer counts or compares; the modes are chosen once, at boot.
#pragma once
#include <cstdint>

namespace cox::arch {

// Boot CPU, once: finds the mode, maps the registers, silences the old controllers.
void lapic_choose(std::uint64_t base);
void lapic_enable();  // every CPU
bool lapic_is_x2();
std::uint32_t lapic_id();
void lapic_end_of_interrupt();

void lapic_send(std::uint32_t apic_id, unsigned vector);
void lapic_send_nmi(std::uint32_t apic_id);
void lapic_send_init(std::uint32_t apic_id);
void lapic_send_startup(std::uint32_t apic_id, std::uint8_t page);

// The raw timer. With features.tsc_deadline: interrupts when the TSC reaches `tsc`; 0 stops it.
void lapic_timer_deadline(std::uint64_t tsc);
// Else: counts down from `count` at lapic_hz (timer.hpp); 0 stops it.
void lapic_timer_start(std::uint32_t count);
std::uint32_t lapic_timer_count();

}  // namespace cox::arch
