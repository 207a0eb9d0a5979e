// SPDX-License-Identifier: MIT
//
// MADT: header, LAPIC address u32 at 36, flags u32 at 40, then entries from 44 on: type u8, length u8,
// payload.
#include "core/acpi.hpp"

#include "core/try.hpp"

#include <algorithm>

namespace cox::core {
namespace {

constexpr std::uint64_t kLapicAddress = 36;
constexpr std::uint64_t kFirstEntry = 44;
constexpr std::uint64_t kEntryHeader = 2;
constexpr std::uint32_t kEnabled = 1;

enum EntryType : std::uint8_t {
    kLocalApic = 0,
    kIoApic = 1,
    kLineOverride = 2,
    kLapicOverride = 5,
    kLocalX2Apic = 9
};

// An ID of all ones is the broadcast address and marks an unused entry. Firmware may list a CPU in both kinds
// of entry.
void add_cpu(Madt& madt, std::uint32_t apic_id, std::uint32_t broadcast, std::uint32_t flags) {
    const auto known = madt.cpus();
    if (apic_id == broadcast || std::ranges::find(known, apic_id) != known.end()) {
        return;
    }
    if ((flags & kEnabled) == 0) {
        ++madt.cpus_not_enabled;
    } else if (madt.cpu_count == madt.apic_ids.size()) {
        ++madt.cpus_beyond_limit;
    } else {
        madt.apic_ids[madt.cpu_count++] = apic_id;
    }
}

// Polarity in bits 0 and 1, trigger mode in 2 and 3: 3 is low, and level; else as ISA has it, high and edge.
LineMode line_mode(std::uint16_t flags) {
    return {.level = (flags >> 2 & 3) == 3, .active_low = (flags & 3) == 3};
}

std::expected<void, AcpiError> add_io_apic(Madt& madt, Bytes entry) {
    const auto address = TRY_OR(read_le<std::uint32_t>(entry, 4), AcpiError::kMadtEntryLength);
    const auto first_line = TRY_OR(read_le<std::uint32_t>(entry, 8), AcpiError::kMadtEntryLength);
    if (madt.io_apic_count < madt.io_apic_list.size()) {
        madt.io_apic_list[madt.io_apic_count++] = {.address = address, .first_line = first_line};
    }
    return {};
}

std::expected<void, AcpiError> add_line_override(Madt& madt, Bytes entry) {
    const auto source = TRY_OR(read_le<std::uint8_t>(entry, 3), AcpiError::kMadtEntryLength);
    const auto line = TRY_OR(read_le<std::uint32_t>(entry, 4), AcpiError::kMadtEntryLength);
    const auto flags = TRY_OR(read_le<std::uint16_t>(entry, 8), AcpiError::kMadtEntryLength);
    if (source < madt.isa_lines.size()) {
        madt.isa_lines[source] = {.line = line, .mode = line_mode(flags)};
    }
    return {};
}

std::expected<void, AcpiError> add_entry(Madt& madt, Bytes entry) {
    constexpr auto kShort = AcpiError::kMadtEntryLength;
    switch (std::to_integer<std::uint8_t>(entry[0])) {
        case kLocalApic: {
            const auto apic_id = TRY_OR(read_le<std::uint8_t>(entry, 3), kShort);
            const auto flags = TRY_OR(read_le<std::uint32_t>(entry, 4), kShort);
            add_cpu(madt, apic_id, 0xff, flags);
            return {};
        }
        case kLocalX2Apic: {
            const auto apic_id = TRY_OR(read_le<std::uint32_t>(entry, 4), kShort);
            const auto flags = TRY_OR(read_le<std::uint32_t>(entry, 8), kShort);
            add_cpu(madt, apic_id, 0xffffffff, flags);
            return {};
        }
        case kIoApic: return add_io_apic(madt, entry);
        case kLineOverride: return add_line_override(madt, entry);
        case kLapicOverride: madt.lapic_base = TRY_OR(read_le<std::uint64_t>(entry, 4), kShort); return {};
        default: return {};
    }
}

}  // namespace

std::expected<Madt, AcpiError> parse_madt(Bytes table) {
    Madt madt;
    madt.lapic_base = TRY_OR(read_le<std::uint32_t>(table, kLapicAddress), AcpiError::kMadtTooShort);
    Bytes rest = TRY_OR(bytes_from(table, kFirstEntry), AcpiError::kMadtTooShort);
    while (!rest.empty()) {
        const std::uint64_t length = TRY_OR(read_le<std::uint8_t>(rest, 1), AcpiError::kMadtEntryLength);
        if (length < kEntryHeader) {
            return std::unexpected(AcpiError::kMadtEntryLength);
        }
        const Bytes entry = TRY_OR(sub_bytes(rest, 0, length), AcpiError::kMadtEntryLength);
        TRY(add_entry(madt, entry));
        rest = rest.subspan(static_cast<std::size_t>(length));
    }
    if (madt.cpu_count == 0) {
        return std::unexpected(AcpiError::kNoCpus);
    }
    return madt;
}

}  // namespace cox::core
