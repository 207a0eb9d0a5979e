// SPDX-License-Identifier: MIT
//
// BootInfo: what the kernel needs from whoever loaded it, in one shape for every boot protocol. It owns
// copies of what it holds, except a module's name, which stays where the loader put it and is for the log. A
// parser fills it on the boot CPU before any memory is handed out. A missing item is not the parser's error:
// no memory map leaves memory_count 0, no module leaves `archive` empty, no ACPI leaves both RSDP fields 0.
#pragma once

#include "core/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cox::core {

// base + size never exceeds 2^64 - 1 in a range that a parser returns, and size is never 0.
struct MemoryRange {
    std::uint64_t base = 0;
    std::uint64_t size = 0;
    bool usable = false;

    [[nodiscard]] constexpr std::uint64_t end() const { return base + size; }
};

struct BootModule {
    std::uint64_t base = 0;
    std::uint64_t size = 0;
    std::string_view name;
};

struct BootInfo {
    static constexpr std::size_t kMaxRanges = 128;
    static constexpr std::size_t kMaxCommandLine = 1024;
    static constexpr std::size_t kMaxRsdp = 36;

    // As the firmware lists them: in any order, perhaps overlapping.
    std::array<MemoryRange, kMaxRanges> memory{};
    std::size_t memory_count = 0;

    std::optional<BootModule> archive;  // the first module
    std::uint32_t module_count = 0;

    // PVH points to the RSDP; multiboot2 brings a copy, whose address means nothing. One of the two, or
    // neither.
    std::uint64_t rsdp_address = 0;
    std::array<std::byte, kMaxRsdp> rsdp_copy{};
    std::size_t rsdp_copy_size = 0;

    std::array<char, kMaxCommandLine> command_line_text{};
    std::size_t command_line_size = 0;

    bool truncated = false;  // more ranges, or a longer command line, than fit here

    [[nodiscard]] std::span<const MemoryRange> ranges() const {
        return std::span(memory).first(memory_count);
    }
    [[nodiscard]] std::string_view command_line() const {
        return {command_line_text.data(), command_line_size};
    }
    [[nodiscard]] Bytes rsdp_bytes() const { return Bytes(rsdp_copy).first(rsdp_copy_size); }

    // For parsers. An empty range is dropped; false when the range wraps around.
    [[nodiscard]] bool add_range(std::uint64_t base, std::uint64_t size, bool usable);
    void add_module(const BootModule& module);
    void append_command_line(std::string_view text);
};

enum class BootError : std::uint8_t {
    kInfoTooShort,
    kInfoSizeWrong,
    kTagTooShort,
    kTagPastEnd,
    kNoEndTag,
    kStringNotTerminated,
    kModuleEndsBeforeStart,
    kMemoryEntrySize,
    kMemoryRangeWraps,
    kRsdpTagTooShort,
    kStartInfoUnreadable,
    kStartInfoMagic,
    kModuleListUnreadable,
    kMemoryMapUnreadable,
    kCommandLineUnreadable,
};

// One line for the log, with neither prefix nor full stop.
[[nodiscard]] std::string_view describe(BootError error);

}  // namespace cox::core
