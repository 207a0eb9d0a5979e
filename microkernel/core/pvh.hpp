// SPDX-License-Identifier: MIT
//
// Parser of the PVH start information (Xen's hvm_start_info), which QEMU and other small monitors leave in
// EBX.
//
//     0 magic u32 | 4 version u32 | 8 flags u32 | 12 module count u32
//     16 module list u64 | 24 command line u64 | 32 RSDP u64
//     from version 1 on: 40 memory map u64 | 48 entry count u32 | 52 reserved
//     module: address u64, size u64, name u64, reserved u64
//     memory map entry: address u64, size u64, type u32, reserved u32
//
// All pointers are physical and reached through the view, so one that leads nowhere is an error, not a fault.
// Versions above 1 are read as 1: the format promises to stay compatible. Version 0 has no memory map.
#pragma once

#include "core/boot_info.hpp"
#include "core/phys_view.hpp"

#include <cstdint>
#include <expected>

namespace cox::core {

[[nodiscard]] std::expected<BootInfo, BootError> parse_pvh(std::uint64_t start_info, PhysView view);

}  // namespace cox::core
