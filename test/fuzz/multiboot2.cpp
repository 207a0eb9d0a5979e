// SPDX-License-Identifier: MIT
//
// Multiboot2 boot information, as GRUB passes it. Written again it says the same.
#include "core/multiboot2.hpp"

#include "../unit/support/byte_writer.hpp"
#include "../unit/support/multiboot_tag.hpp"
#include "boot_info.hpp"

namespace cox::fuzz {
namespace {

class Writer {
public:
    Writer() { writer_.u32(0).u32(0); }
    template <class Payload>
    Writer& tag(std::uint32_t type, Payload payload) {
        test::write_multiboot_tag(writer_, type, payload);
        return *this;
    }
    ByteVector finish() {
        tag(0, [](test::ByteWriter&) {});
        writer_.patch(0, static_cast<std::uint32_t>(writer_.size()));
        return writer_.bytes();
    }

private:
    test::ByteWriter writer_;
};

ByteVector written(const core::BootInfo& info) {
    Writer writer;
    writer.tag(1, [&](test::ByteWriter& w) { w.c_string(info.command_line()); });
    for (std::uint32_t i = 0; i < info.module_count; ++i) {
        writer.tag(3, [&](test::ByteWriter& w) {
            w.u32(static_cast<std::uint32_t>(info.archive->base));
            w.u32(static_cast<std::uint32_t>(info.archive->base + info.archive->size)).c_string("archive");
        });
    }
    writer.tag(6, [&](test::ByteWriter& w) {
        w.u32(24).u32(0);
        for (const core::MemoryRange& range : info.ranges()) {
            w.u64(range.base).u64(range.size).u32(range.usable ? 1 : 2).u32(0);
        }
    });
    if (info.rsdp_copy_size != 0) {
        writer.tag(info.rsdp_copy_size == 36 ? 15 : 14,
                   [&](test::ByteWriter& w) { w.append(info.rsdp_bytes()); });
    }
    return writer.finish();
}

bool check(Bytes input) {
    const auto info = core::parse_multiboot2(input);
    if (!info) {
        FUZZ_CHECK(describe(info.error()) != "unknown boot error");
        return false;
    }
    check_boot_info(*info);
    FUZZ_CHECK(!info->archive || lies_in(std::as_bytes(std::span(info->archive->name)), input));
    const ByteVector again = written(*info);
    const auto reread = core::parse_multiboot2(again);
    FUZZ_CHECK(reread && same_boot_info(*info, *reread));
    return true;
}

std::vector<ByteVector> seeds() {
    core::BootInfo info;
    info.append_command_line("root=workers/root seed=7");
    info.add_module({.base = 0x1000000, .size = 0x1234, .name = {}});
    FUZZ_CHECK(info.add_range(0, 0x9fc00, true) && info.add_range(0x100000, 0x7f00000, true));
    ByteVector first = written(info);
    info.rsdp_copy_size = 36;
    info.rsdp_copy.fill(std::byte{'R'});
    return {first, written(info), Writer().finish()};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
