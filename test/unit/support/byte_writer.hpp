// SPDX-License-Identifier: MIT
//
// Builds binary samples: little-endian numbers, text, padding, patches.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace cox::test {

class ByteWriter {
public:
    template <class T>
    ByteWriter& put(T value) {
        return append(std::as_bytes(std::span(&value, 1)));
    }
    ByteWriter& u8(std::uint8_t value) { return put(value); }
    ByteWriter& u16(std::uint16_t value) { return put(value); }
    ByteWriter& u32(std::uint32_t value) { return put(value); }
    ByteWriter& u64(std::uint64_t value) { return put(value); }

    ByteWriter& text(std::string_view value) { return append(std::as_bytes(std::span(value))); }
    ByteWriter& c_string(std::string_view value) { return text(value).u8(0); }

    ByteWriter& append(std::span<const std::byte> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    ByteWriter& zeros(std::size_t count) {
        bytes_.resize(bytes_.size() + count);
        return *this;
    }
    ByteWriter& align(std::size_t alignment) {
        return zeros((alignment - bytes_.size() % alignment) % alignment);
    }

    template <class T>
    void patch(std::size_t offset, T value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof(value));
    }

    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
    [[nodiscard]] std::vector<std::byte>& bytes() { return bytes_; }

private:
    static_assert(std::endian::native == std::endian::little);
    std::vector<std::byte> bytes_;
};

}  // namespace cox::test
