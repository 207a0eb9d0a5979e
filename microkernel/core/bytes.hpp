// SPDX-License-Identifier: MIT
//
// Bounds-checked reading of bytes that nobody vouches for: boot tags, ACPI tables, ELF files, archives.
// Nothing here reads outside the span, whatever offset and length it is asked for; what does not fit is
// nullopt. Offsets and lengths are 64-bit and compared without adding them, so that no sum can wrap.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cox::core {

using Bytes = std::span<const std::byte>;

[[nodiscard]] constexpr bool range_fits(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
    return offset <= size && length <= size - offset;
}

[[nodiscard]] constexpr std::optional<Bytes> sub_bytes(Bytes bytes, std::uint64_t offset,
                                                       std::uint64_t length) {
    if (!range_fits(offset, length, bytes.size())) {
        return std::nullopt;
    }
    return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
}

// Everything from `offset` to the end; an offset just past the end gives the empty span.
[[nodiscard]] constexpr std::optional<Bytes> bytes_from(Bytes bytes, std::uint64_t offset) {
    if (offset > bytes.size()) {
        return std::nullopt;
    }
    return bytes.subspan(static_cast<std::size_t>(offset));
}

// A little-endian integer at any alignment.
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> read_le(Bytes bytes, std::uint64_t offset) {
    if (!range_fits(offset, sizeof(T), bytes.size())) {
        return std::nullopt;
    }
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        const auto byte = std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(offset) + i]);
        value = static_cast<T>(value | (byte << (8 * i)));
    }
    return value;
}

// The bytes as text. Any bytes will do; the view lives as long as they do.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The text before the first NUL; nullopt when there is no NUL in the span.
[[nodiscard]] inline std::optional<std::string_view> c_string(Bytes bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] == std::byte{0}) {
            return as_text(bytes.first(i));
        }
    }
    return std::nullopt;
}

}  // namespace cox::core
