// SPDX-License-Identifier: MIT
#include "core/pvh.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "support/byte_writer.hpp"
#include "support/fake_memory.hpp"
#include "support/mutate.hpp"

using namespace cox::core;
using cox::test::ByteVector;
using cox::test::ByteWriter;
using cox::test::FakeMemory;

namespace {

constexpr std::uint64_t kStart = 0x6000;
constexpr std::uint64_t kModules = 0x7000;
constexpr std::uint64_t kMap = 0x8000;
constexpr std::uint64_t kLine = 0x9ff0;  // crosses a page
constexpr std::uint64_t kName = 0xb000;

ByteVector padded(ByteWriter writer, std::size_t size = 0x1000) {
    return writer.zeros(size - writer.size()).bytes();
}

struct Machine {
    FakeMemory memory;

    explicit Machine(std::uint32_t version = 1, std::string_view line = "policy=round_robin slice=5ms") {
        memory.put(kStart, ByteWriter()
                               .u32(0x336ec578)
                               .u32(version)
                               .u32(0)
                               .u32(1)
                               .u64(kModules)
                               .u64(kLine)
                               .u64(0xe0000)
                               .u64(kMap)
                               .u32(3)
                               .u32(0)
                               .bytes());
        memory.put(kModules, ByteWriter().u64(0x1000000).u64(0x123456).u64(kName).u64(0).bytes());
        memory.put(kMap, ByteWriter()
                             .u64(0)
                             .u64(0x9fc00)
                             .u32(1)
                             .u32(0)
                             .u64(0xe0000)
                             .u64(0x20000)
                             .u32(2)
                             .u32(0)
                             .u64(0x100000)
                             .u64(0x7f00000)
                             .u32(1)
                             .u32(0)
                             .bytes());
        memory.put(kLine, padded(ByteWriter().c_string(line), 0x1010));
        memory.put(kName, padded(ByteWriter().c_string("boot.cpio")));
    }
    ByteVector& start() { return memory.blocks()[kStart]; }
    template <class T>
    void patch_start(std::size_t offset, T value) {
        std::memcpy(start().data() + offset, &value, sizeof(value));
    }
    [[nodiscard]] std::expected<BootInfo, BootError> parse() const { return parse_pvh(kStart, memory); }
};

}  // namespace

TEST_CASE("pvh: what QEMU passes") {
    const Machine machine;
    const auto info = machine.parse();
    REQUIRE(info.has_value());
    CHECK(info->command_line() == "policy=round_robin slice=5ms");
    REQUIRE(info->archive.has_value());
    CHECK(info->archive->base == 0x1000000);
    CHECK(info->archive->size == 0x123456);
    CHECK(info->archive->name == "boot.cpio");
    CHECK(info->rsdp_address == 0xe0000);
    CHECK(info->rsdp_bytes().empty());
    REQUIRE(info->memory_count == 3);
    CHECK(info->memory[2].base == 0x100000);
    CHECK(info->memory[2].usable);
    CHECK_FALSE(info->memory[1].usable);
    CHECK_FALSE(info->truncated);
}

TEST_CASE("pvh: versions") {
    Machine old(0);
    old.start().resize(40);  // nothing behind it may be read
    const auto info = old.parse();
    REQUIRE(info.has_value());
    CHECK(info->memory_count == 0);
    CHECK(info->archive.has_value());

    CHECK(Machine(2).parse()->memory_count == 3);

    Machine cut(1);
    cut.start().resize(55);
    CHECK(cut.parse().error() == BootError::kStartInfoUnreadable);
}

TEST_CASE("pvh: pointers that are null or lead nowhere") {
    Machine none;
    none.patch_start(12, std::uint32_t{0});
    none.patch_start(16, std::uint64_t{0});
    none.patch_start(24, std::uint64_t{0});
    none.patch_start(48, std::uint32_t{0});
    REQUIRE(none.parse().has_value());
    CHECK_FALSE(none.parse()->archive.has_value());
    CHECK(none.parse()->command_line().empty());

    Machine magic;
    magic.patch_start(0, std::uint32_t{0x336ec579});
    CHECK(magic.parse().error() == BootError::kStartInfoMagic);

    Machine gone;
    gone.memory.remove(kStart);
    CHECK(gone.parse().error() == BootError::kStartInfoUnreadable);

    Machine modules;
    modules.patch_start(12, std::uint32_t{2});  // the list has one
    CHECK(modules.parse().error() == BootError::kModuleListUnreadable);
    modules.patch_start(12, std::uint32_t{0xffffffff});
    CHECK(modules.parse().error() == BootError::kModuleListUnreadable);

    Machine map;
    map.patch_start(48, std::uint32_t{4});
    CHECK(map.parse().error() == BootError::kMemoryMapUnreadable);
    map.patch_start(48, std::uint32_t{3});
    map.patch_start(40, ~std::uint64_t{0});
    CHECK(map.parse().error() == BootError::kMemoryMapUnreadable);

    Machine line;
    line.memory.remove(kLine);
    CHECK(line.parse().error() == BootError::kCommandLineUnreadable);

    Machine name;
    name.memory.remove(kName);
    CHECK(name.parse()->archive->name.empty());

    Machine wrap;
    wrap.memory.put(kModules, ByteWriter().u64(~0ull).u64(2).u64(0).u64(0).bytes());
    CHECK(wrap.parse().error() == BootError::kModuleEndsBeforeStart);

    Machine range;
    range.memory.put(kMap, ByteWriter().u64(~0ull).u64(2).u32(1).u32(0).zeros(48).bytes());
    CHECK(range.parse().error() == BootError::kMemoryRangeWraps);
}

TEST_CASE("pvh: a command line that never ends is cut off, one that runs into nothing is an error") {
    Machine endless;
    endless.memory.put(kLine, ByteWriter().text(std::string(0x1010, 'x')).bytes());
    const auto info = endless.parse();
    REQUIRE(info.has_value());
    CHECK(info->command_line().size() == BootInfo::kMaxCommandLine);
    CHECK(info->truncated);

    Machine open;
    open.memory.put(kLine, ByteWriter().text(std::string(0x10, 'x')).bytes());
    CHECK(open.parse().error() == BootError::kCommandLineUnreadable);
}

TEST_CASE("pvh: no truncation and no mutation of any block reads outside or hangs") {
    const Machine whole;
    for (const std::uint64_t block : {kStart, kModules, kMap, kLine}) {
        const ByteVector sample = Machine().memory.blocks()[block];
        cox::test::for_each_truncation(sample, [&](Bytes cut, std::size_t) {
            Machine machine;
            machine.memory.put(block, ByteVector(cut.begin(), cut.end()));
            CHECK_FALSE(machine.parse().has_value());
        });
        Machine machine;
        cox::test::for_each_mutation(sample, block, 3000, [&](Bytes bytes) {
            machine.memory.put(block, ByteVector(bytes.begin(), bytes.end()));
            (void)machine.parse();
        });
    }
}
