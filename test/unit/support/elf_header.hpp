// SPDX-License-Identifier: MIT
//
// The file header of an ELF program for x86-64, program headers right behind it.
#pragma once

#include "byte_writer.hpp"

namespace cox::test {

inline void write_elf_header(ByteWriter& writer, std::uint64_t entry, std::size_t program_headers) {
    using namespace std::string_view_literals;
    writer.text("\x7f\x45LF\x02\x01\x01"sv).zeros(9);
    writer.u16(2).u16(62).u32(1).u64(entry).u64(64).u64(0).u32(0);
    writer.u16(64).u16(56).u16(static_cast<std::uint16_t>(program_headers)).u16(64).u16(0).u16(0);
}

}  // namespace cox::test
