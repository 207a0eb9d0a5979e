// SPDX-License-Identifier: MIT
//
// PVH start information: the input is memory, the structure stands at its beginning, its pointers lead where they lead.
// Written again it says the same.
#include "core/pvh.hpp"

#include "../unit/support/byte_writer.hpp"
#include "boot_info.hpp"
#include "memory_image.hpp"

namespace cox::fuzz {
namespace {

constexpr std::uint64_t kBase = MemoryImage::kBase;

// Strings are read by whole pages: the image is padded to one.
ByteVector written(const core::BootInfo& info) {
    test::ByteWriter writer;
    const std::uint64_t modules = kBase + 56;
    const std::uint64_t map = modules + 32 * std::uint64_t{info.module_count};
    const std::uint64_t line = map + 24 * info.memory_count;
    writer.u32(0x336ec578).u32(1).u32(0).u32(info.module_count).u64(modules).u64(line).u64(info.rsdp_address);
    writer.u64(map).u32(static_cast<std::uint32_t>(info.memory_count)).u32(0);
    for (std::uint32_t i = 0; i < info.module_count; ++i) {
        writer.u64(info.archive->base).u64(info.archive->size).u64(0).u64(0);
    }
    for (const core::MemoryRange& range : info.ranges()) {
        writer.u64(range.base).u64(range.size).u32(range.usable ? 1 : 2).u32(0);
    }
    writer.c_string(info.command_line()).align(4096);
    return writer.bytes();
}

bool check(Bytes input) {
    const MemoryImage memory(input);
    const auto info = core::parse_pvh(kBase, memory);
    if (!info) {
        FUZZ_CHECK(describe(info.error()) != "unknown boot error");
        return false;
    }
    check_boot_info(*info);
    const ByteVector again = written(*info);
    const MemoryImage memory_again(again);
    const auto reread = core::parse_pvh(kBase, memory_again);
    FUZZ_CHECK(reread && same_boot_info(*info, *reread));
    return true;
}

std::vector<ByteVector> seeds() {
    core::BootInfo info;
    ByteVector empty = written(info);
    info.append_command_line("root=workers/root seed=7");
    info.add_module({.base = 0x1000000, .size = 0x1234, .name = {}});
    FUZZ_CHECK(info.add_range(0, 0x9fc00, true) && info.add_range(0xe0000, 0x20000, false));
    info.rsdp_address = 0xe0000;
    return {empty, written(info)};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
