// SPDX-License-Identifier: MIT
//
// Reader of the initial archive: cpio in the "newc" format (magic 070701, or 070702 with checksums, which are
// not verified).
//
//     110 characters: magic, 13 fields of 8 hex digits | name, NUL | pad to 4 | data | pad to 4 | next entry
//
// open() walks the whole archive once and accepts it only if every entry lies inside it and the entry
// TRAILER!!! closes it; what follows the trailer is ignored. From then on reading cannot fail. The fields
// read are mode, file size and name size. A leading "./" is dropped from names. Entries refer to the
// archive's bytes.
#pragma once

#include "core/bytes.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace cox::core {

struct CpioEntry {
    std::string_view name;
    std::uint32_t mode = 0;
    Bytes data;

    [[nodiscard]] constexpr bool is_file() const { return (mode & 0170000) == 0100000; }
};

enum class CpioError : std::uint8_t {
    kHeaderPastEnd,
    kMagic,
    kNotHex,
    kNamePastEnd,
    kNameNotTerminated,
    kDataPastEnd,
};

[[nodiscard]] std::string_view describe(CpioError error);

class CpioArchive {
public:
    [[nodiscard]] static std::expected<CpioArchive, CpioError> open(Bytes bytes);

    // The first file of that name; directories and other special entries are passed over.
    [[nodiscard]] std::optional<Bytes> find(std::string_view name) const;

    // Calls visit(const CpioEntry&) for every entry, in the archive's order, until it returns false.
    template <class Visit>
    void for_each(Visit visit) const {
        std::uint64_t position = 0;
        while (const auto entry = next(position)) {
            if (!visit(*entry)) {
                return;
            }
        }
    }

private:
    explicit CpioArchive(Bytes bytes) : bytes_(bytes) {}

    // The entry at `position`, which moves on to the following one; nullopt at the trailer.
    [[nodiscard]] std::optional<CpioEntry> next(std::uint64_t& position) const;

    Bytes bytes_;
};

}  // namespace cox::core
