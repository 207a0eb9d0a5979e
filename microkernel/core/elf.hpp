// SPDX-License-Identifier: MIT
//
// Reader of ELF64 x86-64 executables (ET_EXEC) that are about to become a process.
//
// parse_elf accepts a file only if it can be mapped as it stands: all headers and file ranges inside the
// file; every segment inside the caller's limits, once rounded out to pages; no two segments sharing a page;
// none both writable and executable; the entry point inside an executable segment; no interpreter wanted. The
// segments refer to the file's bytes, so keep those.
#pragma once

#include "core/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

namespace cox::core {

// Segments must lie in [low, high); both are multiples of the page size.
struct ElfLimits {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

struct ElfSegment {
    std::uint64_t address = 0;  // of the first byte; not always page-aligned
    std::uint64_t size = 0;     // in memory, at least file.size(), never 0; the rest is zero
    Bytes file;
    bool readable = false;
    bool writable = false;
    bool executable = false;

    // The pages that hold it.
    [[nodiscard]] constexpr std::uint64_t first_page() const { return address & ~kPageMask; }
    [[nodiscard]] constexpr std::uint64_t end_page() const {
        return (address + size + kPageMask) & ~kPageMask;
    }

    static constexpr std::uint64_t kPageMask = 4095;
};

struct ElfImage {
    static constexpr std::size_t kMaxSegments = 16;

    std::uint64_t entry = 0;
    std::array<ElfSegment, kMaxSegments> segment_table{};
    std::size_t segment_count = 0;

    [[nodiscard]] std::span<const ElfSegment> segments() const {
        return std::span(segment_table).first(segment_count);
    }
};

enum class ElfError : std::uint8_t {
    kTooShort,
    kMagic,
    kNotElf64LittleEndian,
    kVersion,
    kNotExecutable,
    kNotX86,
    kHeaderSize,
    kProgramHeadersOutside,
    kInterpreter,
    kSegmentOutsideFile,
    kFileSizeAboveMemorySize,
    kAddressOutsideLimits,
    kWritableAndExecutable,
    kOverlap,
    kTooManySegments,
    kNoSegments,
    kEntryNotExecutable,
};

[[nodiscard]] std::string_view describe(ElfError error);

[[nodiscard]] std::expected<ElfImage, ElfError> parse_elf(Bytes file, ElfLimits limits);

}  // namespace cox::core
