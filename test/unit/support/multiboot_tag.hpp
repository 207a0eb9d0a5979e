// SPDX-License-Identifier: MIT
//
// A multiboot2 tag as a loader writes it: its size patched in, the next one aligned to 8.
#pragma once

#include "byte_writer.hpp"

namespace cox::test {

// `payload(writer)` writes what follows type and size.
template <class Payload>
void write_multiboot_tag(ByteWriter& writer, std::uint32_t type, const Payload& payload) {
    const std::size_t at = writer.size();
    writer.u32(type).u32(0);
    payload(writer);
    writer.patch(at + 4, static_cast<std::uint32_t>(writer.size() - at));
    writer.align(8);
}

}  // namespace cox::test
