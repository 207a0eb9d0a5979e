// SPDX-License-Identifier: MIT
#include "core/pvh.hpp"

#include "core/try.hpp"

#include <algorithm>

namespace cox::core {
namespace {

using Status = std::expected<void, BootError>;

constexpr std::uint32_t kMagic = 0x336ec578;
constexpr std::uint64_t kVersion0Size = 40;
constexpr std::uint64_t kVersion1Size = 56;
constexpr std::uint64_t kModuleEntry = 32;
constexpr std::uint64_t kMemoryEntry = 24;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kUsableMemory = 1;

// Calls sink(piece) with a string of unknown length, page by page, since only whole pages are known to be
// readable. sink returns whether it wants more; a string that it cut off is not read to its end.
template <class Sink>
Status read_string(PhysView view, std::uint64_t address, Sink sink) {
    for (bool more = true; more;) {
        const Bytes page = view(address, kPage - address % kPage);
        if (page.empty()) {
            return std::unexpected(BootError::kCommandLineUnreadable);
        }
        const auto text = c_string(page);
        more = sink(text.value_or(as_text(page))) && !text;
        address += page.size();
    }
    return {};
}

// The name is for the log: one that is unreadable or crosses a page is left out.
std::string_view module_name(PhysView view, std::uint64_t address) {
    if (address == 0) {
        return {};
    }
    return c_string(view(address, kPage - address % kPage)).value_or(std::string_view{});
}

Status read_modules(PhysView view, std::uint64_t list, std::uint64_t count, BootInfo& info) {
    if (count == 0) {
        return {};
    }
    const Bytes entries = view(list, count * kModuleEntry);
    if (entries.empty()) {
        return std::unexpected(BootError::kModuleListUnreadable);
    }
    for (std::uint64_t at = 0; at < entries.size(); at += kModuleEntry) {
        const auto base = TRY_OR(read_le<std::uint64_t>(entries, at), BootError::kModuleListUnreadable);
        const auto size = TRY_OR(read_le<std::uint64_t>(entries, at + 8), BootError::kModuleListUnreadable);
        const auto name = TRY_OR(read_le<std::uint64_t>(entries, at + 16), BootError::kModuleListUnreadable);
        if (base + size < base) {
            return std::unexpected(BootError::kModuleEndsBeforeStart);
        }
        info.add_module({.base = base, .size = size, .name = module_name(view, name)});
    }
    return {};
}

Status read_memory_map(PhysView view, std::uint64_t list, std::uint64_t count, BootInfo& info) {
    if (count == 0) {
        return {};
    }
    const Bytes entries = view(list, count * kMemoryEntry);
    if (entries.empty()) {
        return std::unexpected(BootError::kMemoryMapUnreadable);
    }
    for (std::uint64_t at = 0; at < entries.size(); at += kMemoryEntry) {
        const auto base = TRY_OR(read_le<std::uint64_t>(entries, at), BootError::kMemoryMapUnreadable);
        const auto size = TRY_OR(read_le<std::uint64_t>(entries, at + 8), BootError::kMemoryMapUnreadable);
        const auto type = TRY_OR(read_le<std::uint32_t>(entries, at + 16), BootError::kMemoryMapUnreadable);
        if (!info.add_range(base, size, type == kUsableMemory)) {
            return std::unexpected(BootError::kMemoryRangeWraps);
        }
    }
    return {};
}

Status read_all(PhysView view, std::uint64_t start_info, BootInfo& info) {
    constexpr auto kUnreadable = BootError::kStartInfoUnreadable;
    Bytes start = view(start_info, kVersion0Size);
    if (TRY_OR(read_le<std::uint32_t>(start, 0), kUnreadable) != kMagic) {
        return std::unexpected(BootError::kStartInfoMagic);
    }
    const bool has_memory_map = TRY_OR(read_le<std::uint32_t>(start, 4), kUnreadable) >= 1;
    const auto module_count = TRY_OR(read_le<std::uint32_t>(start, 12), kUnreadable);
    const auto module_list = TRY_OR(read_le<std::uint64_t>(start, 16), kUnreadable);
    const auto command_line = TRY_OR(read_le<std::uint64_t>(start, 24), kUnreadable);
    info.rsdp_address = TRY_OR(read_le<std::uint64_t>(start, 32), kUnreadable);
    TRY(read_modules(view, module_list, module_count, info));
    if (command_line != 0) {
        TRY(read_string(view, command_line, [&](std::string_view piece) {
            info.append_command_line(piece);
            return !info.truncated;
        }));
    }
    if (has_memory_map) {
        start = view(start_info, kVersion1Size);
        const auto list = TRY_OR(read_le<std::uint64_t>(start, 40), kUnreadable);
        const auto count = TRY_OR(read_le<std::uint32_t>(start, 48), kUnreadable);
        TRY(read_memory_map(view, list, count, info));
    }
    return {};
}

}  // namespace

std::expected<BootInfo, BootError> parse_pvh(std::uint64_t start_info, PhysView view) {
    std::expected<BootInfo, BootError> result;
    if (const Status status = read_all(view, start_info, *result); !status) {
        result = std::unexpected(status.error());
    }
    return result;
}

}  // namespace cox::core
