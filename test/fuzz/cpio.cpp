// SPDX-License-Identifier: MIT
//
// Archives. What is accepted lies inside the input; written again it has the same entries.
#include "core/cpio.hpp"

#include <cstdio>
#include <string>

#include "../unit/support/byte_writer.hpp"
#include "fuzz.hpp"

namespace cox::fuzz {
namespace {

using core::CpioArchive;
using core::CpioEntry;

void write_entry(test::ByteWriter& writer, std::string_view name, std::uint32_t mode, Bytes data) {
    char header[111];
    std::snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1u,
                  mode, 0u, 0u, 1u, 0u, data.size(), 0u, 0u, 0u, 0u, name.size() + 1, 0u);
    writer.text(header).c_string(name).align(4).append(data).align(4);
}

ByteVector archive(const std::vector<CpioEntry>& entries) {
    test::ByteWriter writer;
    for (const CpioEntry& entry : entries) {
        write_entry(writer, entry.name, entry.mode, entry.data);
    }
    write_entry(writer, "TRAILER!!!", 0, {});
    return writer.bytes();
}

std::vector<CpioEntry> entries_of(const CpioArchive& opened) {
    std::vector<CpioEntry> all;
    opened.for_each([&](const CpioEntry& entry) {
        all.push_back(entry);
        return true;
    });
    return all;
}

bool check(Bytes input) {
    const auto opened = CpioArchive::open(input);
    if (!opened) {
        FUZZ_CHECK(describe(opened.error()) != "unknown archive error");
        return false;
    }
    const auto entries = entries_of(*opened);
    bool rewritable = true;
    for (const CpioEntry& entry : entries) {
        FUZZ_CHECK(lies_in(entry.data, input));
        FUZZ_CHECK(lies_in(std::as_bytes(std::span(entry.name)), input));
        FUZZ_CHECK(entry.name.find('\0') == std::string_view::npos);
        if (entry.is_file()) {
            FUZZ_CHECK(opened->find(entry.name).has_value() || entry.name.starts_with("./"));
        }
        // "././x" is read as "./x", and that, written again, as "x"; "./TRAILER!!!" would become the end.
        rewritable = rewritable && !entry.name.starts_with("./") && entry.name != "TRAILER!!!";
    }
    if (rewritable) {
        const ByteVector again = archive(entries);
        const auto reopened = CpioArchive::open(again);
        FUZZ_CHECK(reopened.has_value());
        const auto same = entries_of(*reopened);
        FUZZ_CHECK(same.size() == entries.size());
        for (std::size_t i = 0; i < same.size(); ++i) {
            FUZZ_CHECK(same[i].name == entries[i].name && same[i].mode == entries[i].mode);
            FUZZ_CHECK(std::ranges::equal(same[i].data, entries[i].data));
        }
    }
    return true;
}

std::vector<ByteVector> seeds() {
    const ByteVector text = bytes_of("ROOT TASK");
    return {archive({}), archive({{"bin", 040755, {}}, {"./root", 0100644, text}, {"bin/x", 0100755, text}}),
            archive({{"empty", 0100644, {}}})};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
