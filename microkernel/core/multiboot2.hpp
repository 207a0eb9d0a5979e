// SPDX-License-Identifier: MIT
//
// Parser of the multiboot2 boot information structure, as GRUB passes it.
//
//     0 total size u32 | 4 reserved u32 | tags, each 8-aligned: type u32, size u32 (of all of it), payload
//
// `info` starts at the structure and may be longer than it. Every tag is checked to lie inside total_size
// before any of it is read; the list must close with an end tag. Unknown tags are stepped over (a framebuffer
// tag comes unasked). Of the two ACPI tags the new one wins wherever it stands. The loop ends: each step
// moves forward by at least 8 bytes.
#pragma once

#include "core/boot_info.hpp"
#include "core/bytes.hpp"

#include <expected>

namespace cox::core {

// What the boot loader leaves in EAX.
inline constexpr std::uint32_t kMultiboot2Magic = 0x36d76289;

[[nodiscard]] std::expected<BootInfo, BootError> parse_multiboot2(Bytes info);

}  // namespace cox::core
