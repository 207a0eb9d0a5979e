// SPDX-License-Identifier: MIT
//
// ACPI tables with right checksums, shaped as QEMU's firmware writes them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "support/byte_writer.hpp"

namespace cox::test {

inline void fix_checksum(std::vector<std::byte>& bytes, std::size_t at, std::size_t length) {
    bytes[at] = std::byte{0};
    unsigned sum = 0;
    for (std::size_t i = 0; i < length; ++i) {
        sum += static_cast<unsigned>(bytes[i]);
    }
    bytes[at] = static_cast<std::byte>(0u - sum);
}

inline std::vector<std::byte> acpi_table(std::string_view signature, const ByteWriter& body) {
    ByteWriter writer;
    writer.text(signature).u32(static_cast<std::uint32_t>(36 + body.size())).u8(1).u8(0);
    writer.text("BOCHS ").text("BXPC    ").u32(1).text("BXPC").u32(1).append(body.bytes());
    fix_checksum(writer.bytes(), 9, writer.size());
    return writer.bytes();
}

inline std::vector<std::byte> rsdp(std::uint8_t revision, std::uint32_t rsdt, std::uint64_t xsdt) {
    ByteWriter writer;
    writer.text("RSD PTR ").u8(0).text("BOCHS ").u8(revision).u32(rsdt);
    fix_checksum(writer.bytes(), 8, 20);
    if (revision >= 2) {
        writer.u32(36).u64(xsdt).u8(0).zeros(3);
        fix_checksum(writer.bytes(), 32, 36);
    }
    return writer.bytes();
}

inline std::vector<std::byte> rsdt(std::initializer_list<std::uint32_t> addresses) {
    ByteWriter body;
    for (const std::uint32_t address : addresses) {
        body.u32(address);
    }
    return acpi_table("RSDT", body);
}

inline std::vector<std::byte> xsdt(std::initializer_list<std::uint64_t> addresses) {
    ByteWriter body;
    for (const std::uint64_t address : addresses) {
        body.u64(address);
    }
    return acpi_table("XSDT", body);
}

// Body of a MADT: header fields, then entries to append.
class MadtBody {
public:
    explicit MadtBody(std::uint32_t lapic = 0xfee00000) { writer_.u32(lapic).u32(1); }

    MadtBody& lapic(std::uint8_t id, std::uint32_t flags = 1) {
        writer_.u8(0).u8(8).u8(id).u8(id).u32(flags);
        return *this;
    }
    MadtBody& x2apic(std::uint32_t id, std::uint32_t flags = 1) {
        writer_.u8(9).u8(16).u16(0).u32(id).u32(flags).u32(id);
        return *this;
    }
    MadtBody& lapic_override(std::uint64_t address) {
        writer_.u8(5).u8(12).u16(0).u64(address);
        return *this;
    }
    MadtBody& io_apic(std::uint32_t address = 0xfec00000, std::uint32_t first_line = 0) {
        writer_.u8(1).u8(12).u8(0).u8(0).u32(address).u32(first_line);
        return *this;
    }
    MadtBody& line_override(std::uint8_t source, std::uint32_t line, std::uint16_t flags) {
        writer_.u8(2).u8(10).u8(0).u8(source).u32(line).u16(flags);
        return *this;
    }
    MadtBody& raw(std::initializer_list<std::uint8_t> bytes) {
        for (const std::uint8_t byte : bytes) {
            writer_.u8(byte);
        }
        return *this;
    }
    [[nodiscard]] std::vector<std::byte> table() const { return acpi_table("APIC", writer_); }

private:
    ByteWriter writer_;
};

struct FadtFields {
    std::uint32_t pm_timer = 0x608;
    std::uint8_t pm_timer_length = 4;
    std::uint32_t flags = 0x100;
    std::uint8_t extended_space = 1;
    std::uint64_t extended_address = 0;
    bool extended = true;  // reaches to the 64-bit blocks
};

inline std::vector<std::byte> fadt(const FadtFields& fields) {
    ByteWriter body;
    body.zeros(fields.extended ? 244 - 36 : 116 - 36);
    body.patch(76 - 36, fields.pm_timer);
    body.patch(91 - 36, fields.pm_timer_length);
    body.patch(112 - 36, fields.flags);
    if (fields.extended) {
        body.patch(208 - 36, fields.extended_space);
        body.patch(212 - 36, fields.extended_address);
    }
    return acpi_table("FACP", body);
}

inline std::vector<std::byte> hpet(std::uint8_t space, std::uint64_t address) {
    ByteWriter body;
    body.u32(0x8086a201).u8(space).u8(64).u8(0).u8(0).u64(address).u8(0).u16(100).u8(0);
    return acpi_table("HPET", body);
}

}  // namespace cox::test
