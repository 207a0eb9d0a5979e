// SPDX-License-Identifier: MIT
#include "loader.hpp"

#include "owned.hpp"

#include <algorithm>
#include <cstring>

namespace cap {

namespace {

constexpr std::uint64_t kWindowPages = 256;
constexpr std::uint64_t kWindowSize = kWindowPages * abi::kPageSize;

// The window's place, reserved at its first use and kept: address ranges are never taken back.
Result<std::uint64_t> window(const Env& env) {
    static std::uint64_t address = 0;
    if (address == 0) {
        address = TRY(env.space.reserve(kWindowPages));
    }
    return address;
}

constexpr std::uint64_t pages_for(std::uint64_t bytes) {
    return (bytes + abi::kPageSize - 1) / abi::kPageSize;
}

}  // namespace

Result<void> Loader::load_segment(const cox::core::ElfSegment& segment) {
    const abi::Rights access = (segment.readable ? abi::kRead : 0) | (segment.writable ? abi::kWrite : 0) |
                               (segment.executable ? abi::kExecute : 0);
    const std::uint64_t address = segment.first_page();
    return load(address, (segment.end_page() - address) / abi::kPageSize, access, segment.file,
                segment.address - address);
}

Result<void> Loader::load(std::uint64_t address, std::uint64_t pages, abi::Rights access,
                          std::span<const std::byte> bytes, std::uint64_t offset) {
    const Owned<Memory> memory(TRY(child_.create_memory(pages)));  // the child's quota pays
    TRY(write(*memory, bytes, offset));
    return child_.map(*memory, address, 0, pages, access);  // the mapping keeps the memory alive
}

// `end` and `position` count from the memory object's start; a fresh object is zero already.
Result<void> Loader::write(Memory memory, std::span<const std::byte> bytes, std::uint64_t offset) const {
    if (bytes.empty()) {
        return {};
    }
    const std::uint64_t at = TRY(window(env_));
    const std::uint64_t end = offset + bytes.size();
    for (std::uint64_t position = offset; position < end;) {
        const std::uint64_t piece = position / kWindowSize * kWindowSize;
        const std::uint64_t piece_end = std::min(end, piece + kWindowSize);
        const std::uint64_t pages = pages_for(piece_end - piece);
        TRY(env_.process.map(memory, at, piece / abi::kPageSize, pages, abi::kRead | abi::kWrite));
        std::memcpy(reinterpret_cast<std::byte*>(at + (position - piece)), bytes.data() + (position - offset),
                    piece_end - position);
        TRY(env_.process.unmap(at, pages));
        position = piece_end;
    }
    return {};
}

}  // namespace cap
