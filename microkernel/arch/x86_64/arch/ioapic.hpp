// SPDX-License-Identifier: MIT
// The interrupt lines of devices, numbered as ACPI does (global system interrupts), and the I/O APICs that they lead to. A line is
// routed to one CPU, and masked or not. Callers take care that only one of them is in here at a time.
#pragma once
#include <cstdint>

#include "core/acpi.hpp"

namespace cox::arch {

inline constexpr unsigned kMaxLines = 48;         // two I/O APICs of 24
inline constexpr unsigned kVectorOfLine0 = 0x30;  // a line's vector is this and its number

// Boot CPU, once: maps the registers and masks all lines.
void ioapic_init(const core::Madt& madt);
bool ioapic_has(unsigned line);

// Masked. As the line's device drives it.
void ioapic_route(unsigned line, std::uint32_t apic_id, core::LineMode mode);
void ioapic_mask(unsigned line, bool masked);

}  // namespace cox::arch
