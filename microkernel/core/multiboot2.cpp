// SPDX-License-Identifier: MIT
#include "core/multiboot2.hpp"

#include "core/try.hpp"

#include <algorithm>

namespace cox::core {
namespace {

using Status = std::expected<void, BootError>;

constexpr std::uint64_t kInfoHeader = 8;
constexpr std::uint64_t kTagHeader = 8;
constexpr std::uint64_t kTagAlign = 8;
constexpr std::uint64_t kMinMemoryEntry = 24;
constexpr std::uint32_t kUsableMemory = 1;

enum TagType : std::uint32_t {
    kTagEnd = 0,
    kTagCommandLine = 1,
    kTagModule = 3,
    kTagMemoryMap = 6,
    kTagAcpiOld = 14,
    kTagAcpiNew = 15,
};

struct Parser {
    BootInfo& info;
    bool have_new_rsdp = false;

    Status command_line(Bytes payload) {
        info.append_command_line(TRY_OR(c_string(payload), BootError::kStringNotTerminated));
        return {};
    }

    Status module(Bytes payload) {
        const std::uint64_t start = TRY_OR(read_le<std::uint32_t>(payload, 0), BootError::kTagTooShort);
        const std::uint64_t end = TRY_OR(read_le<std::uint32_t>(payload, 4), BootError::kTagTooShort);
        const auto name = TRY_OR(c_string(payload.subspan(8)), BootError::kStringNotTerminated);
        if (end < start) {
            return std::unexpected(BootError::kModuleEndsBeforeStart);
        }
        info.add_module({.base = start, .size = end - start, .name = name});
        return {};
    }

    // Newer versions may append fields to an entry: step by the size given, read the fields known. A rest too
    // short for a whole entry is padding.
    Status memory_map(Bytes payload) {
        const std::uint64_t entry_size = TRY_OR(read_le<std::uint32_t>(payload, 0), BootError::kTagTooShort);
        TRY_OR(read_le<std::uint32_t>(payload, 4), BootError::kTagTooShort);
        if (entry_size < kMinMemoryEntry) {
            return std::unexpected(BootError::kMemoryEntrySize);
        }
        Bytes rest = payload.subspan(8);
        while (rest.size() >= entry_size) {
            const auto base = TRY_OR(read_le<std::uint64_t>(rest, 0), BootError::kMemoryEntrySize);
            const auto size = TRY_OR(read_le<std::uint64_t>(rest, 8), BootError::kMemoryEntrySize);
            const auto type = TRY_OR(read_le<std::uint32_t>(rest, 16), BootError::kMemoryEntrySize);
            if (!info.add_range(base, size, type == kUsableMemory)) {
                return std::unexpected(BootError::kMemoryRangeWraps);
            }
            rest = rest.subspan(static_cast<std::size_t>(entry_size));
        }
        return {};
    }

    Status rsdp(Bytes payload, bool is_new) {
        const std::size_t size = is_new ? 36 : 20;
        if (payload.size() < size) {
            return std::unexpected(BootError::kRsdpTagTooShort);
        }
        if (is_new || !have_new_rsdp) {
            std::copy_n(payload.begin(), size, info.rsdp_copy.begin());
            info.rsdp_copy_size = size;
            have_new_rsdp |= is_new;
        }
        return {};
    }

    Status tag(std::uint32_t type, Bytes payload) {
        switch (type) {
            case kTagCommandLine: return command_line(payload);
            case kTagModule: return module(payload);
            case kTagMemoryMap: return memory_map(payload);
            case kTagAcpiOld: return rsdp(payload, false);
            case kTagAcpiNew: return rsdp(payload, true);
            default: return {};
        }
    }

    Status all_tags(Bytes bytes) {
        const std::uint64_t total = TRY_OR(read_le<std::uint32_t>(bytes, 0), BootError::kInfoTooShort);
        if (total < kInfoHeader) {
            return std::unexpected(BootError::kInfoTooShort);
        }
        bytes = TRY_OR(sub_bytes(bytes, 0, total), BootError::kInfoSizeWrong);
        for (std::uint64_t at = kInfoHeader; at < total;) {
            const auto type = TRY_OR(read_le<std::uint32_t>(bytes, at), BootError::kNoEndTag);
            const std::uint64_t size = TRY_OR(read_le<std::uint32_t>(bytes, at + 4), BootError::kNoEndTag);
            if (size < kTagHeader) {
                return std::unexpected(BootError::kTagTooShort);
            }
            const Bytes whole = TRY_OR(sub_bytes(bytes, at, size), BootError::kTagPastEnd);
            if (type == kTagEnd) {
                return {};
            }
            TRY(tag(type, whole.subspan(kTagHeader)));
            at += (size + kTagAlign - 1) & ~(kTagAlign - 1);
        }
        return std::unexpected(BootError::kNoEndTag);
    }
};

}  // namespace

std::expected<BootInfo, BootError> parse_multiboot2(Bytes info) {
    std::expected<BootInfo, BootError> result;
    if (const Status status = Parser{.info = *result}.all_tags(info); !status) {
        result = std::unexpected(status.error());
    }
    return result;
}

}  // namespace cox::core
