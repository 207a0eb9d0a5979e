// SPDX-License-Identifier: MIT
//
// What must hold of a BootInfo, whichever protocol it came by.
#pragma once

#include <algorithm>

#include "core/boot_info.hpp"
#include "fuzz.hpp"

namespace cox::fuzz {

inline void check_boot_info(const core::BootInfo& info) {
    for (const core::MemoryRange& range : info.ranges()) {
        FUZZ_CHECK(range.size != 0 && range.end() > range.base);
    }
    FUZZ_CHECK(info.archive.has_value() == (info.module_count != 0));
    FUZZ_CHECK(!info.archive || info.archive->base + info.archive->size >= info.archive->base);
    FUZZ_CHECK(info.command_line().find('\0') == std::string_view::npos);
    FUZZ_CHECK(info.rsdp_copy_size == 0 || info.rsdp_copy_size == 20 || info.rsdp_copy_size == 36);
}

inline bool same_range(const core::MemoryRange& a, const core::MemoryRange& b) {
    return a.base == b.base && a.size == b.size && a.usable == b.usable;
}

// All but the modules' names.
inline bool same_boot_info(const core::BootInfo& a, const core::BootInfo& b) {
    return std::ranges::equal(a.ranges(), b.ranges(), same_range) && a.module_count == b.module_count &&
           (!a.archive || (a.archive->base == b.archive->base && a.archive->size == b.archive->size)) &&
           a.rsdp_address == b.rsdp_address && std::ranges::equal(a.rsdp_bytes(), b.rsdp_bytes()) &&
           a.command_line() == b.command_line();
}

}  // namespace cox::fuzz
