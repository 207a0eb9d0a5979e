// SPDX-License-Identifier: MIT
#include "arch/ioapic.hpp"

#include <array>

#include "arch/paging.hpp"

namespace cox::arch {

namespace {

// A register is chosen by one word and read or written through another.
constexpr unsigned kSelect = 0, kWindow = 0x10 / 4;
constexpr std::uint32_t kVersion = 1, kFirstEntry = 0x10;  // two registers to an entry
constexpr std::uint32_t kActiveLow = 1 << 13, kLevel = 1 << 15, kMasked = 1 << 16;

struct Place {
    volatile std::uint32_t* registers = nullptr;  // nullptr: there is no such line
    std::uint32_t entry = 0;
};
std::array<Place, kMaxLines> places;

std::uint32_t read(volatile std::uint32_t* registers, std::uint32_t number) {
    registers[kSelect] = number;
    return registers[kWindow];
}

void write(volatile std::uint32_t* registers, std::uint32_t number, std::uint32_t value) {
    registers[kSelect] = number;
    registers[kWindow] = value;
}

}  // namespace

void ioapic_init(const core::Madt& madt) {
    for (const core::IoApic& io_apic : madt.io_apics()) {
        map_device(io_apic.address);
        auto* const registers = physical_to_virtual<volatile std::uint32_t>(io_apic.address);
        const std::uint32_t last = read(registers, kVersion) >> 16 & 0xff;
        for (std::uint32_t i = 0; i <= last && io_apic.first_line + i < kMaxLines; ++i) {
            const std::uint32_t entry = kFirstEntry + 2 * i;
            places[io_apic.first_line + i] = {registers, entry};
            if (!(read(registers, entry) & kMasked)) write(registers, entry, kMasked);
        }
    }
}

bool ioapic_has(unsigned line) { return line < kMaxLines && places[line].registers; }

void ioapic_route(unsigned line, std::uint32_t apic_id, core::LineMode mode) {
    const Place& place = places[line];
    write(place.registers, place.entry,
          kMasked | (mode.level ? kLevel : 0) | (mode.active_low ? kActiveLow : 0) | (kVectorOfLine0 + line));
    write(place.registers, place.entry + 1, apic_id << 24);
}

void ioapic_mask(unsigned line, bool masked) {
    const Place& place = places[line];
    const auto entry = read(place.registers, place.entry);
    write(place.registers, place.entry, masked ? entry | kMasked : entry & ~kMasked);
}

}  // namespace cox::arch
