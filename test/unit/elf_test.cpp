// SPDX-License-Identifier: MIT
#include "core/elf.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "support/byte_writer.hpp"
#include "support/elf_header.hpp"
#include "support/mutate.hpp"

using namespace cox::core;
using namespace cox::test;

namespace {

constexpr ElfLimits kLimits{.low = 0x10000, .high = 0x8000'0000'0000};
constexpr std::uint32_t kR = 4;
constexpr std::uint32_t kRw = 6;
constexpr std::uint32_t kRx = 5;

struct Header {
    std::uint32_t type = 1;
    std::uint32_t flags = kR;
    std::uint64_t offset = 0;
    std::uint64_t address = 0;
    std::uint64_t file_size = 0;
    std::uint64_t memory_size = 0;
};

// Headers at the front, then the bytes of the segments, as lld lays a small program out.
struct Program {
    std::uint64_t entry = 0x201040;
    std::vector<Header> headers{
        {.type = 6, .address = 0x200040, .file_size = 0x118, .memory_size = 0x118},
        {.flags = kR, .offset = 0, .address = 0x200000, .file_size = 0x400, .memory_size = 0x400},
        {.flags = kRx, .offset = 0x400, .address = 0x201000, .file_size = 0x300, .memory_size = 0x300},
        {.flags = kRw, .offset = 0x700, .address = 0x202700, .file_size = 0x100, .memory_size = 0x5000},
        {.type = 0x6474e551, .flags = kRw}};
    std::size_t file_size = 0x800;

    [[nodiscard]] ByteVector bytes() const {
        ByteWriter writer;
        write_elf_header(writer, entry, headers.size());
        for (const Header& h : headers) {
            writer.u32(h.type).u32(h.flags).u64(h.offset).u64(h.address).u64(h.address);
            writer.u64(h.file_size).u64(h.memory_size).u64(0x1000);
        }
        if (writer.size() < file_size) {
            writer.zeros(file_size - writer.size());
        }
        return writer.bytes();
    }
    [[nodiscard]] std::optional<ElfError> error(ElfLimits limits = kLimits) const {
        const ByteVector file = bytes();
        const auto image = parse_elf(file, limits);
        return image ? std::nullopt : std::optional(image.error());
    }
};

std::optional<ElfError> error_with(std::size_t offset, auto value) {
    ByteVector file = Program().bytes();
    std::memcpy(file.data() + offset, &value, sizeof(value));
    const auto image = parse_elf(file, kLimits);
    return image ? std::nullopt : std::optional(image.error());
}

std::optional<ElfError> error_of_segment(const Header& segment, ElfLimits limits = kLimits) {
    Program program;
    program.headers[3] = segment;
    return program.error(limits);
}

}  // namespace

TEST_CASE("elf: a program as lld links it") {
    const ByteVector file = Program().bytes();
    const auto image = parse_elf(file, kLimits);
    REQUIRE(image.has_value());
    CHECK(image->entry == 0x201040);
    REQUIRE(image->segments().size() == 3);
    const ElfSegment& code = image->segments()[1];
    CHECK(code.address == 0x201000);
    CHECK(code.file.data() == file.data() + 0x400);
    CHECK(code.file.size() == 0x300);
    CHECK(code.readable);
    CHECK(code.executable);
    CHECK_FALSE(code.writable);
    const ElfSegment& data = image->segments()[2];
    CHECK(data.size == 0x5000);
    CHECK(data.writable);
    CHECK(data.first_page() == 0x202000);
    CHECK(data.end_page() == 0x208000);
}

TEST_CASE("elf: the file header is checked field by field") {
    CHECK(error_with(0, std::uint8_t{0x7e}) == ElfError::kMagic);
    CHECK(error_with(3, std::uint8_t{'f'}) == ElfError::kMagic);
    CHECK(error_with(4, std::uint8_t{1}) == ElfError::kNotElf64LittleEndian);
    CHECK(error_with(5, std::uint8_t{2}) == ElfError::kNotElf64LittleEndian);
    CHECK(error_with(6, std::uint8_t{0}) == ElfError::kVersion);
    CHECK(error_with(20, std::uint32_t{2}) == ElfError::kVersion);
    CHECK(error_with(16, std::uint16_t{3}) == ElfError::kNotExecutable);  // position-independent
    CHECK(error_with(16, std::uint16_t{1}) == ElfError::kNotExecutable);
    CHECK(error_with(18, std::uint16_t{183}) == ElfError::kNotX86);
    CHECK(error_with(52, std::uint16_t{63}) == ElfError::kHeaderSize);
    CHECK(error_with(54, std::uint16_t{32}) == ElfError::kHeaderSize);
    CHECK(error_with(56, std::uint16_t{0}) == ElfError::kNoSegments);
    CHECK(error_with(56, std::uint16_t{0xffff}) == ElfError::kProgramHeadersOutside);
    CHECK(error_with(32, std::uint64_t{0x801}) == ElfError::kProgramHeadersOutside);
    CHECK(error_with(32, ~std::uint64_t{0} - 50) == ElfError::kProgramHeadersOutside);
}

TEST_CASE("elf: the entry point lies in an executable segment") {
    const auto with_entry = [](std::uint64_t entry) {
        Program program;
        program.entry = entry;
        return program.error();
    };
    CHECK(with_entry(0x201000) == std::nullopt);
    CHECK(with_entry(0x2012ff) == std::nullopt);
    CHECK(with_entry(0x201300) == ElfError::kEntryNotExecutable);
    CHECK(with_entry(0x200fff) == ElfError::kEntryNotExecutable);
    CHECK(with_entry(0x202700) == ElfError::kEntryNotExecutable);
    CHECK(with_entry(0) == ElfError::kEntryNotExecutable);
    CHECK(with_entry(~std::uint64_t{0}) == ElfError::kEntryNotExecutable);
}

TEST_CASE("elf: segments stay inside the file and the limits") {
    const Header good{
        .flags = kRw, .offset = 0x700, .address = 0x300000, .file_size = 0x100, .memory_size = 0x100};
    const auto with = [&](auto change) {
        Header header = good;
        change(header);
        return error_of_segment(header);
    };
    CHECK(error_of_segment(good) == std::nullopt);
    CHECK(with([](Header& h) { h.offset = 0x701; }) == ElfError::kSegmentOutsideFile);
    CHECK(with([](Header& h) { h.offset = ~std::uint64_t{0}; }) == ElfError::kSegmentOutsideFile);
    CHECK(with([](Header& h) { h.file_size = ~std::uint64_t{0}; }) == ElfError::kSegmentOutsideFile);
    CHECK(with([](Header& h) { h.memory_size = 0xff; }) == ElfError::kFileSizeAboveMemorySize);
    CHECK(with([](Header& h) { h.memory_size = 0; }) == ElfError::kFileSizeAboveMemorySize);
    CHECK(with([](Header& h) { h.address = 0xffff; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.address = 0x10000; }) == std::nullopt);
    CHECK(with([](Header& h) { h.address = 0; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.address = kLimits.high; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.address = kLimits.high - 0x100; }) == std::nullopt);
    CHECK(with([](Header& h) { h.address = kLimits.high - 0xff; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.address = 0xffffffff80000000; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.address = ~std::uint64_t{0}; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.memory_size = ~std::uint64_t{0}; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.memory_size = kLimits.high; }) == ElfError::kAddressOutsideLimits);
    CHECK(with([](Header& h) { h.flags = 7; }) == ElfError::kWritableAndExecutable);
    CHECK(with([](Header& h) { h.flags = 3; }) == ElfError::kWritableAndExecutable);
    CHECK(with([](Header& h) { h.type = 3; }) == ElfError::kInterpreter);
    // An empty segment is skipped, wherever it says it is.
    CHECK(with([](Header& h) { h.file_size = h.memory_size = 0, h.address = 0; }) == std::nullopt);
}

TEST_CASE("elf: no two segments share a page") {
    const auto at = [](std::uint64_t address, std::uint64_t size) {
        return error_of_segment(
            {.flags = kRw, .offset = 0, .address = address, .file_size = 0, .memory_size = size});
    };
    CHECK(at(0x202000, 1) == std::nullopt);
    CHECK(at(0x201fff, 1) == ElfError::kOverlap);  // the last byte of the code's page
    CHECK(at(0x201ff0, 0x1000) == ElfError::kOverlap);
    CHECK(at(0x1ff000, 0x1000) == std::nullopt);
    CHECK(at(0x1ff000, 0x1001) == ElfError::kOverlap);
    CHECK(at(0x100000, 0x400000) == ElfError::kOverlap);  // around all others
    CHECK(at(0x201100, 0x10) == ElfError::kOverlap);      // inside another
}

TEST_CASE("elf: at most sixteen segments, in any order") {
    Program program;
    program.headers.clear();
    for (std::uint64_t i = 0; i < 16; ++i) {
        program.headers.push_back(
            {.flags = i == 0 ? kRx : kR, .address = 0x300000 - i * 0x1000, .memory_size = 0x1000});
    }
    program.entry = 0x300000;
    CHECK(program.error() == std::nullopt);
    program.headers.push_back({.flags = kR, .address = 0x400000, .memory_size = 1});
    CHECK(program.error() == ElfError::kTooManySegments);
    program.headers = {{.type = 6}};
    CHECK(program.error() == ElfError::kNoSegments);
}

TEST_CASE("elf: no truncation and no mutation reads outside, hangs or breaks a promise") {
    const ByteVector sample = Program().bytes();
    for_each_truncation(sample, [](Bytes cut, std::size_t length) {
        INFO("length " << length);
        CHECK(parse_elf(cut, kLimits).has_value() == false);
    });
    const ByteVector headers(sample.begin(), sample.begin() + 64 + 5 * 56);
    int accepted = 0;
    for_each_mutation(headers, 3, 50000, [&](Bytes bytes) {
        ByteVector file(bytes.begin(), bytes.end());
        file.resize(sample.size());
        const auto image = parse_elf(file, kLimits);
        if (!image) {
            return;
        }
        ++accepted;
        for (const ElfSegment& segment : image->segments()) {
            CHECK(segment.first_page() >= kLimits.low);
            CHECK(segment.end_page() <= kLimits.high);
            CHECK(segment.file.size() <= segment.size);
            CHECK_FALSE((segment.writable && segment.executable));
            unsigned sum = 0;
            for (const std::byte byte : segment.file) {
                sum += static_cast<unsigned>(byte);
            }
            CHECK(sum < 1u << 30);
        }
    });
    CHECK(accepted > 100);
    for (int error = 0; error <= static_cast<int>(ElfError::kEntryNotExecutable); ++error) {
        CHECK(describe(static_cast<ElfError>(error)) != "unknown ELF error");
    }
}
