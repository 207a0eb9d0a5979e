// SPDX-License-Identifier: MIT
#include "core/multiboot2.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "support/byte_writer.hpp"
#include "support/multiboot_tag.hpp"
#include "support/mutate.hpp"

using namespace cox::core;
using cox::test::ByteVector;
using cox::test::ByteWriter;

namespace {

// Tags as GRUB writes them: each padded to 8, the total size patched in at the end.
class InfoBuilder {
public:
    InfoBuilder() { writer_.u32(0).u32(0); }

    InfoBuilder& tag(std::uint32_t type, const std::function<void(ByteWriter&)>& payload) {
        write_multiboot_tag(writer_, type, payload);
        return *this;
    }
    InfoBuilder& command_line(std::string_view text) {
        return tag(1, [&](ByteWriter& w) { w.c_string(text); });
    }
    InfoBuilder& module(std::uint32_t start, std::uint32_t end, std::string_view name) {
        return tag(3, [&](ByteWriter& w) { w.u32(start).u32(end).c_string(name); });
    }
    InfoBuilder& memory_map(std::uint32_t entry_size, std::initializer_list<MemoryRange> ranges) {
        return tag(6, [&](ByteWriter& w) {
            w.u32(entry_size).u32(0);
            for (const MemoryRange& range : ranges) {
                w.u64(range.base).u64(range.size).u32(range.usable ? 1 : 2).u32(0);
                w.zeros(entry_size > 24 ? entry_size - 24 : 0);
            }
        });
    }
    InfoBuilder& rsdp(std::uint32_t type, std::size_t size, char fill) {
        return tag(type, [&](ByteWriter& w) { w.text(std::string(size, fill)); });
    }
    ByteVector finish() {
        tag(0, [](ByteWriter&) {});
        return unfinished();
    }
    ByteVector unfinished() {
        writer_.patch(0, static_cast<std::uint32_t>(writer_.size()));
        return writer_.bytes();
    }

private:
    ByteWriter writer_;
};

ByteVector typical() {
    return InfoBuilder()
        .command_line("policy=fifo log=debug")
        .tag(2, [](ByteWriter& w) { w.c_string("GRUB 2.06"); })
        .module(0x200000, 0x2a0001, "boot.cpio")
        .module(0x300000, 0x300000, "second")
        .memory_map(24, {{0, 0x9fc00, true}, {0x9fc00, 0x400, false}, {0x100000, 0x7ee0000, true}})
        .tag(8, [](ByteWriter& w) { w.u64(0xb8000).u32(160).u32(80).u32(25).u8(16).u8(2).u16(0); })
        .rsdp(14, 20, 'o')
        .finish();
}

BootError error_of(const ByteVector& bytes) {
    const auto result = parse_multiboot2(bytes);
    REQUIRE_FALSE(result.has_value());
    return result.error();
}

}  // namespace

TEST_CASE("multiboot2: what GRUB passes under BIOS") {
    const ByteVector bytes = typical();
    const auto info = parse_multiboot2(bytes);
    REQUIRE(info.has_value());
    CHECK(info->command_line() == "policy=fifo log=debug");
    REQUIRE(info->archive.has_value());
    CHECK(info->archive->base == 0x200000);
    CHECK(info->archive->size == 0xa0001);
    CHECK(info->archive->name == "boot.cpio");
    CHECK(info->module_count == 2);
    REQUIRE(info->ranges().size() == 3);
    CHECK(info->ranges()[1].base == 0x9fc00);
    CHECK_FALSE(info->ranges()[1].usable);
    CHECK(info->ranges()[2].end() == 0x7fe0000);
    CHECK(info->ranges()[2].usable);
    CHECK(info->rsdp_bytes().size() == 20);
    CHECK(info->rsdp_address == 0);
    CHECK_FALSE(info->truncated);
}

TEST_CASE("multiboot2: the new ACPI tag wins wherever it stands") {
    for (const bool new_first : {false, true}) {
        const ByteVector bytes = InfoBuilder()
                                     .rsdp(new_first ? 15 : 14, 36, new_first ? 'n' : 'o')
                                     .rsdp(new_first ? 14 : 15, 36, new_first ? 'o' : 'n')
                                     .finish();
        const auto info = parse_multiboot2(bytes);
        REQUIRE(info.has_value());
        CHECK(as_text(info->rsdp_bytes()) == std::string(36, 'n'));
    }
    CHECK(error_of(InfoBuilder().rsdp(14, 19, 'o').finish()) == BootError::kRsdpTagTooShort);
    CHECK(error_of(InfoBuilder().rsdp(15, 35, 'n').finish()) == BootError::kRsdpTagTooShort);
}

TEST_CASE("multiboot2: nothing but an end tag is valid and empty") {
    const auto info = parse_multiboot2(InfoBuilder().finish());
    REQUIRE(info.has_value());
    CHECK(info->memory_count == 0);
    CHECK_FALSE(info->archive.has_value());
    CHECK(info->command_line().empty());
    CHECK(info->rsdp_bytes().empty());
}

TEST_CASE("multiboot2: larger memory map entries are stepped over by their size") {
    const auto info =
        parse_multiboot2(InfoBuilder().memory_map(40, {{0x1000, 0x1000, true}, {0x5000, 1, true}}).finish());
    REQUIRE(info.has_value());
    REQUIRE(info->memory_count == 2);
    CHECK(info->memory[1].base == 0x5000);
}

TEST_CASE("multiboot2: malformed information is refused with its reason") {
    CHECK(error_of({}) == BootError::kInfoTooShort);
    CHECK(error_of(ByteWriter().u32(4).u32(0).bytes()) == BootError::kInfoTooShort);
    CHECK(error_of(ByteWriter().u32(8).u32(0).bytes()) == BootError::kNoEndTag);
    CHECK(error_of(ByteWriter().u32(24).u32(0).u32(0).u32(8).bytes()) == BootError::kInfoSizeWrong);
    CHECK(error_of(InfoBuilder().command_line("x").unfinished()) == BootError::kNoEndTag);
    CHECK(error_of(ByteWriter().u32(16).u32(0).u32(1).u32(7).bytes()) == BootError::kTagTooShort);
    CHECK(error_of(ByteWriter().u32(16).u32(0).u32(1).u32(0).bytes()) == BootError::kTagTooShort);
    CHECK(error_of(ByteWriter().u32(16).u32(0).u32(99).u32(9).bytes()) == BootError::kTagPastEnd);
    CHECK(error_of(ByteWriter().u32(16).u32(0).u32(99).u32(0xffffffff).bytes()) == BootError::kTagPastEnd);
    CHECK(error_of(ByteWriter().u32(12).u32(0).u32(0).u32(8).bytes()) == BootError::kNoEndTag);
    CHECK(error_of(InfoBuilder().tag(1, [](ByteWriter& w) { w.text("abcdefgh"); }).finish()) ==
          BootError::kStringNotTerminated);
    CHECK(error_of(InfoBuilder().tag(1, [](ByteWriter&) {}).finish()) == BootError::kStringNotTerminated);
    CHECK(error_of(InfoBuilder().tag(3, [](ByteWriter& w) { w.u32(1).u16(2); }).finish()) ==
          BootError::kTagTooShort);
    CHECK(error_of(InfoBuilder().tag(3, [](ByteWriter& w) { w.u32(1).u32(2).text("m"); }).finish()) ==
          BootError::kStringNotTerminated);
    CHECK(error_of(InfoBuilder().module(0x2000, 0x1fff, "m").finish()) == BootError::kModuleEndsBeforeStart);
    CHECK(error_of(InfoBuilder().memory_map(23, {}).finish()) == BootError::kMemoryEntrySize);
    CHECK(error_of(InfoBuilder().memory_map(0, {{0, 1, true}}).finish()) == BootError::kMemoryEntrySize);
    CHECK(error_of(InfoBuilder().tag(6, [](ByteWriter& w) { w.u32(24); }).finish()) ==
          BootError::kTagTooShort);
    CHECK(error_of(InfoBuilder().memory_map(24, {{~0ull - 4095, 4097, true}}).finish()) ==
          BootError::kMemoryRangeWraps);
}

TEST_CASE("multiboot2: what does not fit is cut off and said so") {
    InfoBuilder many;
    many.tag(6, [](ByteWriter& w) {
        w.u32(24).u32(0);
        for (std::uint64_t i = 0; i < 200; ++i) {
            w.u64(i << 20).u64(i == 3 ? 0 : 0x1000).u32(1).u32(0);
        }
    });
    const auto map = parse_multiboot2(many.finish());
    REQUIRE(map.has_value());
    CHECK(map->memory_count == BootInfo::kMaxRanges);
    CHECK(map->memory[3].base == 4 << 20);  // the empty one is left out
    CHECK(map->truncated);

    const auto line = parse_multiboot2(InfoBuilder().command_line(std::string(1500, 'x')).finish());
    REQUIRE(line.has_value());
    CHECK(line->command_line() == std::string(1024, 'x'));
    CHECK(line->truncated);
    CHECK_FALSE(parse_multiboot2(InfoBuilder().command_line(std::string(1024, 'x')).finish())->truncated);
}

TEST_CASE("multiboot2: no truncation and no mutation reads outside or hangs") {
    const ByteVector sample = typical();
    cox::test::for_each_truncation(sample, [](Bytes cut, std::size_t length) {
        INFO("length " << length);
        CHECK_FALSE(parse_multiboot2(cut).has_value());
    });
    // The same with the total size made to agree, so that the tags themselves are cut.
    cox::test::for_each_truncation(sample, [](Bytes cut, std::size_t length) {
        ByteVector fixed(cut.begin(), cut.end());
        if (length >= 8) {
            const auto size = static_cast<std::uint32_t>(length);
            std::memcpy(fixed.data(), &size, sizeof(size));
        }
        CHECK_FALSE(parse_multiboot2(fixed).has_value());
    });
    int refused = 0;
    cox::test::for_each_mutation(sample, 1, 20000, [&](Bytes bytes) {
        const auto info = parse_multiboot2(bytes);
        refused += info.has_value() ? 0 : 1;
        if (info && info->archive) {
            CHECK(info->archive->size <= 0xffffffff);
        }
    });
    CHECK(refused > 1000);
    for (int error = 0; error <= static_cast<int>(BootError::kCommandLineUnreadable); ++error) {
        CHECK(describe(static_cast<BootError>(error)) != "unknown boot error");
    }
}
