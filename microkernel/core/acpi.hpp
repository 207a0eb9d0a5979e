// SPDX-License-Identifier: MIT
//
// The few facts that the kernel takes from ACPI: which CPUs there are, where their LAPIC is, where interrupt
// lines lead, and which clocks can calibrate the LAPIC's timer.
//
// From the RSDP (its address or a copy of it) through the XSDT, or the RSDT where there is none, to MADT,
// FADT and HPET. Each table is read through the view, and its checksum is verified, before any field of it is
// used; tables that nobody needs are not read past their headers. Every loop moves forward by a checked
// length, so malformed tables are errors, never loops.
#pragma once

#include "core/bytes.hpp"
#include "core/phys_view.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

namespace cox::core {

struct IoApic {
    std::uint64_t address = 0;
    std::uint32_t first_line = 0;  // of the system's interrupt lines
};

struct LineMode {
    bool level = false;  // else an edge
    bool active_low = false;
    friend bool operator==(const LineMode&, const LineMode&) = default;
};

// Where an ISA interrupt leads.
struct IsaLine {
    std::uint32_t line = 0;
    LineMode mode;
};

struct Madt {
    static constexpr std::size_t kMaxCpus = 64;
    static constexpr std::size_t kMaxIoApics = 4;  // more are left out
    static constexpr std::size_t kIsaLines = 16;

    std::uint64_t lapic_base = 0;
    std::array<std::uint32_t, kMaxCpus> apic_ids{};  // enabled ones in the table's order, none twice
    std::size_t cpu_count = 0;
    std::uint32_t cpus_beyond_limit = 0;  // enabled ones that did not fit
    std::uint32_t cpus_not_enabled = 0;
    std::array<IoApic, kMaxIoApics> io_apic_list{};
    std::size_t io_apic_count = 0;
    std::array<IsaLine, kIsaLines> isa_lines = straight_lines();

    [[nodiscard]] std::span<const IoApic> io_apics() const {
        return std::span(io_apic_list).first(io_apic_count);
    }
    // As they are where the table says nothing.
    [[nodiscard]] static constexpr std::array<IsaLine, kIsaLines> straight_lines() {
        std::array<IsaLine, kIsaLines> lines{};
        for (std::uint32_t i = 0; i < kIsaLines; ++i) {
            lines[i].line = i;
        }
        return lines;
    }
    [[nodiscard]] std::span<const std::uint32_t> cpus() const { return std::span(apic_ids).first(cpu_count); }
};

// The ACPI power management timer: 3.579545 MHz, read with a 32-bit port read.
struct PmTimer {
    std::uint16_t port = 0;
    bool is_32bit = false;  // else it wraps at 24 bits
};

struct AcpiInfo {
    Madt madt;
    std::optional<PmTimer> pm_timer;
    std::optional<std::uint64_t> hpet_base;
};

enum class AcpiError : std::uint8_t {
    kRsdpUnreadable,
    kRsdpSignature,
    kRsdpTooShort,
    kRsdpChecksum,
    kNoRootTable,
    kRootSignature,
    kTableUnreadable,
    kTableLength,
    kTableChecksum,
    kNoMadt,
    kMadtTooShort,
    kMadtEntryLength,
    kNoCpus,
    kFadtTooShort,
    kHpetTooShort,
};

[[nodiscard]] std::string_view describe(AcpiError error);

// The MADT alone; `table` is the whole table, its checksum already verified.
[[nodiscard]] std::expected<Madt, AcpiError> parse_madt(Bytes table);

// `rsdp`: a copy of at least 20 bytes (36 where ACPI 2.0 is there).
[[nodiscard]] std::expected<AcpiInfo, AcpiError> parse_acpi(Bytes rsdp, PhysView view);
[[nodiscard]] std::expected<AcpiInfo, AcpiError> parse_acpi_at(std::uint64_t rsdp_address, PhysView view);

}  // namespace cox::core
