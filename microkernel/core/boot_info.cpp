// SPDX-License-Identifier: MIT
#include "core/boot_info.hpp"

#include <algorithm>
#include <limits>

namespace cox::core {

bool BootInfo::add_range(std::uint64_t base, std::uint64_t size, bool usable) {
    if (size > std::numeric_limits<std::uint64_t>::max() - base) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    if (memory_count == memory.size()) {
        truncated = true;
        return true;
    }
    memory[memory_count++] = {.base = base, .size = size, .usable = usable};
    return true;
}

void BootInfo::add_module(const BootModule& module) {
    if (module_count++ == 0) {
        archive = module;
    }
}

void BootInfo::append_command_line(std::string_view text) {
    const std::size_t fits = std::min(text.size(), command_line_text.size() - command_line_size);
    std::copy_n(text.begin(), fits,
                command_line_text.begin() + static_cast<std::ptrdiff_t>(command_line_size));
    command_line_size += fits;
    truncated |= fits < text.size();
}

std::string_view describe(BootError error) {
    switch (error) {
        case BootError::kInfoTooShort: return "boot information is shorter than its own header";
        case BootError::kInfoSizeWrong: return "boot information gives a total size beyond what was passed";
        case BootError::kTagTooShort: return "a boot tag is shorter than its fields";
        case BootError::kTagPastEnd: return "a boot tag runs past the end of the boot information";
        case BootError::kNoEndTag: return "boot information has no end tag";
        case BootError::kStringNotTerminated: return "a boot string is not terminated";
        case BootError::kModuleEndsBeforeStart: return "a boot module ends before it starts";
        case BootError::kMemoryEntrySize: return "the memory map's entries are smaller than an entry";
        case BootError::kMemoryRangeWraps: return "a memory range wraps around the address space";
        case BootError::kRsdpTagTooShort: return "an ACPI tag is shorter than the RSDP that it holds";
        case BootError::kStartInfoUnreadable: return "the PVH start information cannot be read";
        case BootError::kStartInfoMagic: return "the PVH start information has the wrong magic number";
        case BootError::kModuleListUnreadable: return "the PVH module list cannot be read";
        case BootError::kMemoryMapUnreadable: return "the PVH memory map cannot be read";
        case BootError::kCommandLineUnreadable: return "the PVH command line cannot be read";
    }
    return "unknown boot error";
}

}  // namespace cox::core
