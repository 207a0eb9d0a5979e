// SPDX-License-Identifier: MIT
#include "core/cpio.hpp"

#include "core/try.hpp"

namespace cox::core {
namespace {

constexpr std::uint64_t kHeaderSize = 110;
constexpr std::size_t kModeField = 14;
constexpr std::size_t kFileSizeField = 54;
constexpr std::size_t kNameSizeField = 94;
constexpr std::string_view kTrailer = "TRAILER!!!";

constexpr std::uint64_t align_up(std::uint64_t value) { return (value + 3) & ~std::uint64_t{3}; }

std::expected<std::uint32_t, CpioError> hex_field(Bytes header, std::size_t offset) {
    std::uint32_t value = 0;
    for (const char c : as_text(header.subspan(offset, 8))) {
        const char lower = static_cast<char>(c | 0x20);
        std::uint32_t digit = 0;
        if (c >= '0' && c <= '9') {
            digit = static_cast<std::uint32_t>(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            digit = static_cast<std::uint32_t>(lower - 'a' + 10);
        } else {
            return std::unexpected(CpioError::kNotHex);
        }
        value = value << 4 | digit;
    }
    return value;
}

std::string_view without_dot_slash(std::string_view name) {
    name.remove_prefix(name.starts_with("./") ? 2 : 0);
    return name;
}

// Sums stay far below 2^64: all lengths are 32-bit and `position` lies inside the archive.
std::expected<CpioEntry, CpioError> read_entry(Bytes bytes, std::uint64_t& position) {
    const Bytes header = TRY_OR(sub_bytes(bytes, position, kHeaderSize), CpioError::kHeaderPastEnd);
    const std::string_view text = as_text(header);
    if (!text.starts_with("070701") && !text.starts_with("070702")) {
        return std::unexpected(CpioError::kMagic);
    }
    const std::uint32_t mode = TRY(hex_field(header, kModeField));
    const std::uint64_t file_size = TRY(hex_field(header, kFileSizeField));
    const std::uint64_t name_size = TRY(hex_field(header, kNameSizeField));

    const std::uint64_t name_at = position + kHeaderSize;
    const Bytes name_bytes = TRY_OR(sub_bytes(bytes, name_at, name_size), CpioError::kNamePastEnd);
    const std::string_view name = TRY_OR(c_string(name_bytes), CpioError::kNameNotTerminated);
    const std::uint64_t data_at = align_up(name_at + name_size);
    const Bytes data =
        name == kTrailer ? Bytes{} : TRY_OR(sub_bytes(bytes, data_at, file_size), CpioError::kDataPastEnd);
    position = align_up(data_at + file_size);
    return CpioEntry{.name = without_dot_slash(name), .mode = mode, .data = data};
}

}  // namespace

std::expected<CpioArchive, CpioError> CpioArchive::open(Bytes bytes) {
    std::uint64_t position = 0;
    while (TRY(read_entry(bytes, position)).name != kTrailer) {
    }
    return CpioArchive(bytes);
}

std::optional<CpioEntry> CpioArchive::next(std::uint64_t& position) const {
    const auto entry = read_entry(bytes_, position);
    if (!entry || entry->name == kTrailer) {
        return std::nullopt;
    }
    return *entry;
}

std::optional<Bytes> CpioArchive::find(std::string_view name) const {
    std::optional<Bytes> found;
    for_each([&](const CpioEntry& entry) {
        if (entry.is_file() && entry.name == without_dot_slash(name)) {
            found = entry.data;
        }
        return !found;
    });
    return found;
}

std::string_view describe(CpioError error) {
    switch (error) {
        case CpioError::kHeaderPastEnd: return "the archive ends without its trailer";
        case CpioError::kMagic: return "an entry does not start with a newc magic number";
        case CpioError::kNotHex: return "a number in a header is not hexadecimal";
        case CpioError::kNamePastEnd: return "a name runs past the archive's end";
        case CpioError::kNameNotTerminated: return "a name is not terminated";
        case CpioError::kDataPastEnd: return "a file runs past the archive's end";
    }
    return "unknown archive error";
}

}  // namespace cox::core
