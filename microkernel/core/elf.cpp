// SPDX-License-Identifier: MIT
#include "core/elf.hpp"

#include "core/try.hpp"

#include <algorithm>

namespace cox::core {
namespace {

constexpr std::uint64_t kHeaderSize = 64;
constexpr std::uint64_t kProgramHeaderSize = 56;
constexpr std::uint16_t kTypeExecutable = 2;
constexpr std::uint16_t kMachineX86 = 62;
constexpr std::uint32_t kSegmentLoad = 1;
constexpr std::uint32_t kSegmentInterpreter = 3;
constexpr std::uint32_t kFlagExecute = 1;
constexpr std::uint32_t kFlagWrite = 2;
constexpr std::uint32_t kFlagRead = 4;

// Offsets below are inside a header whose size has been checked, so the read cannot fail.
template <class T>
T field(Bytes header, std::uint64_t offset) {
    return read_le<T>(header, offset).value_or(0);
}

std::expected<void, ElfError> check_header(Bytes header) {
    if (as_text(header.first(4)) !=
        "\x7f"
        "ELF") {
        return std::unexpected(ElfError::kMagic);
    }
    if (field<std::uint8_t>(header, 4) != 2 || field<std::uint8_t>(header, 5) != 1) {
        return std::unexpected(ElfError::kNotElf64LittleEndian);
    }
    if (field<std::uint8_t>(header, 6) != 1 || field<std::uint32_t>(header, 20) != 1) {
        return std::unexpected(ElfError::kVersion);
    }
    if (field<std::uint16_t>(header, 16) != kTypeExecutable) {
        return std::unexpected(ElfError::kNotExecutable);
    }
    if (field<std::uint16_t>(header, 18) != kMachineX86) {
        return std::unexpected(ElfError::kNotX86);
    }
    if (field<std::uint16_t>(header, 52) != kHeaderSize ||
        field<std::uint16_t>(header, 54) != kProgramHeaderSize) {
        return std::unexpected(ElfError::kHeaderSize);
    }
    return {};
}

// The limits keep address + size far from wrapping, and so its rounding up.
bool inside(const ElfSegment& segment, ElfLimits limits) {
    return segment.address >= limits.low && segment.address < limits.high &&
           segment.size <= limits.high - segment.address;
}

std::expected<ElfSegment, ElfError> read_segment(Bytes file, Bytes header, ElfLimits limits) {
    const auto flags = field<std::uint32_t>(header, 4);
    const auto file_size = field<std::uint64_t>(header, 32);
    const ElfSegment segment{
        .address = field<std::uint64_t>(header, 16),
        .size = field<std::uint64_t>(header, 40),
        .file = TRY_OR(sub_bytes(file, field<std::uint64_t>(header, 8), file_size),
                       ElfError::kSegmentOutsideFile),
        .readable = (flags & kFlagRead) != 0,
        .writable = (flags & kFlagWrite) != 0,
        .executable = (flags & kFlagExecute) != 0,
    };
    if (file_size > segment.size) {
        return std::unexpected(ElfError::kFileSizeAboveMemorySize);
    }
    if (segment.size != 0 && !inside(segment, limits)) {
        return std::unexpected(ElfError::kAddressOutsideLimits);
    }
    if (segment.writable && segment.executable) {
        return std::unexpected(ElfError::kWritableAndExecutable);
    }
    return segment;
}

std::expected<void, ElfError> add_segment(ElfImage& image, const ElfSegment& segment) {
    const auto shares_page = [&](const ElfSegment& other) {
        return segment.first_page() < other.end_page() && other.first_page() < segment.end_page();
    };
    if (std::ranges::any_of(image.segments(), shares_page)) {
        return std::unexpected(ElfError::kOverlap);
    }
    if (image.segment_count == ElfImage::kMaxSegments) {
        return std::unexpected(ElfError::kTooManySegments);
    }
    image.segment_table[image.segment_count++] = segment;
    return {};
}

}  // namespace

std::expected<ElfImage, ElfError> parse_elf(Bytes file, ElfLimits limits) {
    const Bytes header = TRY_OR(sub_bytes(file, 0, kHeaderSize), ElfError::kTooShort);
    TRY(check_header(header));
    const std::uint64_t table_size = kProgramHeaderSize * field<std::uint16_t>(header, 56);
    Bytes table = TRY_OR(sub_bytes(file, field<std::uint64_t>(header, 32), table_size),
                         ElfError::kProgramHeadersOutside);

    ElfImage image;
    image.entry = field<std::uint64_t>(header, 24);
    for (; !table.empty(); table = table.subspan(kProgramHeaderSize)) {
        const auto type = field<std::uint32_t>(table, 0);
        if (type == kSegmentInterpreter) {
            return std::unexpected(ElfError::kInterpreter);
        }
        if (type == kSegmentLoad) {
            const ElfSegment segment = TRY(read_segment(file, table.first(kProgramHeaderSize), limits));
            if (segment.size != 0) {
                TRY(add_segment(image, segment));
            }
        }
    }
    if (image.segment_count == 0) {
        return std::unexpected(ElfError::kNoSegments);
    }
    const auto holds_entry = [&](const ElfSegment& segment) {
        return segment.executable && image.entry - segment.address < segment.size;
    };
    if (std::ranges::none_of(image.segments(), holds_entry)) {
        return std::unexpected(ElfError::kEntryNotExecutable);
    }
    return image;
}

std::string_view describe(ElfError error) {
    switch (error) {
        case ElfError::kTooShort: return "the file is shorter than an ELF header";
        case ElfError::kMagic: return "not an ELF file";
        case ElfError::kNotElf64LittleEndian: return "not a 64-bit little-endian ELF file";
        case ElfError::kVersion: return "unknown ELF version";
        case ElfError::kNotExecutable: return "not an executable with fixed addresses (ET_EXEC)";
        case ElfError::kNotX86: return "not for x86-64";
        case ElfError::kHeaderSize: return "a header has an unexpected size";
        case ElfError::kProgramHeadersOutside: return "the program headers lie outside the file";
        case ElfError::kInterpreter: return "the program wants an interpreter; link it statically";
        case ElfError::kSegmentOutsideFile: return "a segment lies outside the file";
        case ElfError::kFileSizeAboveMemorySize: return "a segment has more bytes in the file than in memory";
        case ElfError::kAddressOutsideLimits:
            return "a segment lies outside the addresses that programs may use";
        case ElfError::kWritableAndExecutable: return "a segment is both writable and executable";
        case ElfError::kOverlap: return "two segments share a page";
        case ElfError::kTooManySegments: return "too many segments";
        case ElfError::kNoSegments: return "no segment to load";
        case ElfError::kEntryNotExecutable: return "the entry point lies in no executable segment";
    }
    return "unknown ELF error";
}

}  // namespace cox::core
