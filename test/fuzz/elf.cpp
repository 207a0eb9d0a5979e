// SPDX-License-Identifier: MIT
//
// ELF files. What is accepted can be mapped as it stands: core/elf.hpp says what that means. Written again it is the
// same.
#include "core/elf.hpp"

#include "../unit/support/byte_writer.hpp"
#include "../unit/support/elf_header.hpp"
#include "fuzz.hpp"

namespace cox::fuzz {
namespace {

using core::ElfImage;
using core::ElfSegment;

constexpr core::ElfLimits kLimits{.low = 0x10000, .high = 0x7000'0000};

ByteVector file_of(std::uint64_t entry, std::span<const ElfSegment> segments) {
    test::ByteWriter writer;
    test::write_elf_header(writer, entry, segments.size());
    std::uint64_t offset = 64 + 56 * segments.size();
    for (const ElfSegment& s : segments) {
        writer.u32(1).u32((s.executable ? 1 : 0) | (s.writable ? 2 : 0) | (s.readable ? 4 : 0));
        writer.u64(offset).u64(s.address).u64(s.address).u64(s.file.size()).u64(s.size).u64(0x1000);
        offset += s.file.size();
    }
    for (const ElfSegment& s : segments) {
        writer.append(s.file);
    }
    return writer.bytes();
}

bool same(const ElfSegment& a, const ElfSegment& b) {
    return a.address == b.address && a.size == b.size && a.readable == b.readable &&
           a.writable == b.writable && a.executable == b.executable && std::ranges::equal(a.file, b.file);
}

bool check(Bytes input) {
    const auto image = core::parse_elf(input, kLimits);
    if (!image) {
        FUZZ_CHECK(describe(image.error()) != "unknown ELF error");
        return false;
    }
    const auto segments = image->segments();
    FUZZ_CHECK(!segments.empty());
    bool entry_found = false;
    for (const ElfSegment& s : segments) {
        FUZZ_CHECK(lies_in(s.file, input));
        FUZZ_CHECK(s.size != 0 && s.file.size() <= s.size);
        FUZZ_CHECK(s.first_page() >= kLimits.low && s.first_page() < s.end_page() &&
                   s.end_page() <= kLimits.high);
        FUZZ_CHECK(!(s.writable && s.executable));
        entry_found |= s.executable && image->entry >= s.address && image->entry < s.address + s.size;
        for (const ElfSegment& other : segments) {
            FUZZ_CHECK(&s == &other || s.end_page() <= other.first_page() ||
                       other.end_page() <= s.first_page());
        }
    }
    FUZZ_CHECK(entry_found);
    const ByteVector again = file_of(image->entry, segments);
    const auto reread = core::parse_elf(again, kLimits);
    FUZZ_CHECK(reread && reread->entry == image->entry && reread->segment_count == segments.size());
    for (std::size_t i = 0; i < segments.size(); ++i) {
        FUZZ_CHECK(same(segments[i], reread->segments()[i]));
    }
    return true;
}

std::vector<ByteVector> seeds() {
    const ByteVector text = bytes_of("some instructions");
    const ElfSegment segments[] = {
        {.address = 0x200000, .size = 0x400, .file = text, .readable = true},
        {.address = 0x201000, .size = 17, .file = text, .readable = true, .executable = true},
        {.address = 0x202700, .size = 0x5000, .file = text, .readable = true, .writable = true},
    };
    return {file_of(0x201004, segments), file_of(0x201000, std::span(segments).subspan(1, 1))};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
