// SPDX-License-Identifier: MIT
#include "core/acpi.hpp"

#include "core/try.hpp"

namespace cox::core {
namespace {

constexpr std::size_t kRsdpV1Size = 20;
constexpr std::size_t kRsdpV2Size = 36;
constexpr std::uint64_t kHeaderSize = 36;
constexpr std::uint64_t kMaxTableSize = 1 << 20;  // more than any table wanted here has
constexpr std::uint8_t kAddressSpaceMemory = 0;
constexpr std::uint8_t kAddressSpaceIo = 1;

bool sums_to_zero(Bytes bytes) {
    unsigned sum = 0;
    for (const std::byte byte : bytes) {
        sum += std::to_integer<unsigned>(byte);
    }
    return (sum & 0xff) == 0;
}

// Only the header is read, and the length in it checked.
std::expected<std::uint64_t, AcpiError> table_length(Bytes header) {
    const std::uint64_t length = TRY_OR(read_le<std::uint32_t>(header, 4), AcpiError::kTableUnreadable);
    if (length < kHeaderSize || length > kMaxTableSize) {
        return std::unexpected(AcpiError::kTableLength);
    }
    return length;
}

std::expected<Bytes, AcpiError> read_table(std::uint64_t address, PhysView view) {
    const std::uint64_t length = TRY(table_length(view(address, kHeaderSize)));
    const Bytes table = view(address, length);
    if (table.empty()) {
        return std::unexpected(AcpiError::kTableUnreadable);
    }
    if (!sums_to_zero(table)) {
        return std::unexpected(AcpiError::kTableChecksum);
    }
    return table;
}

struct RootTable {
    Bytes entries;
    bool wide = false;  // XSDT
};

std::expected<RootTable, AcpiError> find_root(Bytes rsdp, PhysView view) {
    const Bytes v1 = TRY_OR(sub_bytes(rsdp, 0, kRsdpV1Size), AcpiError::kRsdpTooShort);
    if (as_text(v1.first(8)) != "RSD PTR ") {
        return std::unexpected(AcpiError::kRsdpSignature);
    }
    if (!sums_to_zero(v1)) {
        return std::unexpected(AcpiError::kRsdpChecksum);
    }
    // The old tag of multiboot2 cuts off a newer RSDP after 20 bytes; the RSDT serves then.
    const auto revision = TRY_OR(read_le<std::uint8_t>(v1, 15), AcpiError::kRsdpTooShort);
    std::uint64_t address = 0;
    bool wide = false;
    if (revision >= 2 && rsdp.size() >= kRsdpV2Size) {
        if (!sums_to_zero(rsdp.first(kRsdpV2Size))) {
            return std::unexpected(AcpiError::kRsdpChecksum);
        }
        address = TRY_OR(read_le<std::uint64_t>(rsdp, 24), AcpiError::kRsdpTooShort);
        wide = address != 0;
    }
    if (!wide) {
        address = TRY_OR(read_le<std::uint32_t>(v1, 16), AcpiError::kRsdpTooShort);
    }
    if (address == 0) {
        return std::unexpected(AcpiError::kNoRootTable);
    }
    const Bytes table = TRY(read_table(address, view));
    if (as_text(table.first(4)) != (wide ? "XSDT" : "RSDT")) {
        return std::unexpected(AcpiError::kRootSignature);
    }
    return RootTable{.entries = table.subspan(kHeaderSize), .wide = wide};
}

// A FADT of any version reaches to its flags; the 64-bit blocks are there from ACPI 2.0 on and win when set.
std::expected<std::optional<PmTimer>, AcpiError> parse_fadt(Bytes table) {
    constexpr std::uint32_t kTimerIs32Bit = 1 << 8;
    constexpr std::uint32_t kHardwareReduced = 1 << 20;
    std::uint64_t port = TRY_OR(read_le<std::uint32_t>(table, 76), AcpiError::kFadtTooShort);
    const auto length = TRY_OR(read_le<std::uint8_t>(table, 91), AcpiError::kFadtTooShort);
    const auto flags = TRY_OR(read_le<std::uint32_t>(table, 112), AcpiError::kFadtTooShort);
    if (const auto wide = read_le<std::uint64_t>(table, 212); wide.value_or(0) != 0) {
        if (read_le<std::uint8_t>(table, 208) != kAddressSpaceIo) {
            return std::nullopt;
        }
        port = *wide;
    }
    if ((flags & kHardwareReduced) != 0 || length != 4 || port == 0 || port > 0xffff - 3) {
        return std::nullopt;
    }
    return PmTimer{.port = static_cast<std::uint16_t>(port), .is_32bit = (flags & kTimerIs32Bit) != 0};
}

std::expected<std::optional<std::uint64_t>, AcpiError> parse_hpet(Bytes table) {
    const auto space = TRY_OR(read_le<std::uint8_t>(table, 40), AcpiError::kHpetTooShort);
    const auto base = TRY_OR(read_le<std::uint64_t>(table, 44), AcpiError::kHpetTooShort);
    if (space != kAddressSpaceMemory || base == 0) {
        return std::nullopt;
    }
    return base;
}

}  // namespace

std::expected<AcpiInfo, AcpiError> parse_acpi(Bytes rsdp, PhysView view) {
    const RootTable root = TRY(find_root(rsdp, view));
    AcpiInfo info;
    bool have_madt = false;
    bool have_fadt = false;
    const std::uint64_t step = root.wide ? 8 : 4;
    for (std::uint64_t at = 0; range_fits(at, step, root.entries.size()); at += step) {
        const std::uint64_t address = root.wide ? read_le<std::uint64_t>(root.entries, at).value_or(0)
                                                : read_le<std::uint32_t>(root.entries, at).value_or(0);
        if (address == 0) {
            continue;
        }
        const Bytes header = view(address, kHeaderSize);
        if (header.empty()) {
            return std::unexpected(AcpiError::kTableUnreadable);
        }
        const std::string_view signature = as_text(header.first(4));
        if (signature == "APIC" && !have_madt) {
            const Bytes table = TRY(read_table(address, view));
            info.madt = TRY(parse_madt(table));
            have_madt = true;
        } else if (signature == "FACP" && !have_fadt) {
            const Bytes table = TRY(read_table(address, view));
            info.pm_timer = TRY(parse_fadt(table));
            have_fadt = true;
        } else if (signature == "HPET" && !info.hpet_base) {
            const Bytes table = TRY(read_table(address, view));
            info.hpet_base = TRY(parse_hpet(table));
        }
    }
    if (!have_madt) {
        return std::unexpected(AcpiError::kNoMadt);
    }
    return info;
}

std::expected<AcpiInfo, AcpiError> parse_acpi_at(std::uint64_t rsdp_address, PhysView view) {
    Bytes rsdp = view(rsdp_address, kRsdpV1Size);
    if (rsdp.empty()) {
        return std::unexpected(AcpiError::kRsdpUnreadable);
    }
    if (read_le<std::uint8_t>(rsdp, 15).value_or(0) >= 2) {
        rsdp = view(rsdp_address, kRsdpV2Size);
        if (rsdp.empty()) {
            return std::unexpected(AcpiError::kRsdpUnreadable);
        }
    }
    return parse_acpi(rsdp, view);
}

std::string_view describe(AcpiError error) {
    switch (error) {
        case AcpiError::kRsdpUnreadable: return "the RSDP cannot be read";
        case AcpiError::kRsdpSignature: return "the RSDP has the wrong signature";
        case AcpiError::kRsdpTooShort: return "the RSDP is too short";
        case AcpiError::kRsdpChecksum: return "the RSDP has a wrong checksum";
        case AcpiError::kNoRootTable: return "the RSDP points to neither XSDT nor RSDT";
        case AcpiError::kRootSignature: return "the root table has the wrong signature";
        case AcpiError::kTableUnreadable: return "an ACPI table cannot be read";
        case AcpiError::kTableLength: return "an ACPI table has an impossible length";
        case AcpiError::kTableChecksum: return "an ACPI table has a wrong checksum";
        case AcpiError::kNoMadt: return "there is no MADT";
        case AcpiError::kMadtTooShort: return "the MADT is too short";
        case AcpiError::kMadtEntryLength: return "an entry of the MADT has an impossible length";
        case AcpiError::kNoCpus: return "the MADT names no enabled processor";
        case AcpiError::kFadtTooShort: return "the FADT is too short";
        case AcpiError::kHpetTooShort: return "the HPET table is too short";
    }
    return "unknown ACPI error";
}

}  // namespace cox::core
