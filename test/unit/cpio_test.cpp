// SPDX-License-Identifier: MIT
#include "core/cpio.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "support/byte_writer.hpp"
#include "support/mutate.hpp"

using namespace cox::core;
using namespace cox::test;

namespace {

constexpr std::uint32_t kFile = 0100644;
constexpr std::uint32_t kDirectory = 040755;

class ArchiveBuilder {
public:
    ArchiveBuilder& entry(std::string_view name, std::uint32_t mode, std::string_view data,
                          std::string_view magic = "070701") {
        char fields[105];
        std::snprintf(fields, sizeof(fields), "%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1u,
                      mode, 0u, 0u, 1u, 0x65000000u, data.size(), 0u, 0u, 0u, 0u, name.size() + 1, 0u);
        writer_.text(magic).text(fields).c_string(name).align(4).text(data).align(4);
        return *this;
    }
    ByteVector finish() {
        entry("TRAILER!!!", 0, "");
        return writer_.align(512).bytes();
    }
    ByteVector unfinished() { return writer_.bytes(); }

private:
    ByteWriter writer_;
};

ByteVector typical() {
    return ArchiveBuilder()
        .entry(".", kDirectory, "")
        .entry("./root", kFile, "ROOT TASK")
        .entry("bin", kDirectory, "")
        .entry("bin/worker", kFile, "W")
        .entry("manifest", kFile, "")
        .entry("manifest", kFile, "the second of that name")
        .finish();
}

std::optional<std::string> content(const CpioArchive& archive, std::string_view name) {
    const auto data = archive.find(name);
    return data ? std::optional(std::string(as_text(*data))) : std::nullopt;
}

CpioError error_of(const ByteVector& bytes) {
    const auto archive = CpioArchive::open(bytes);
    REQUIRE_FALSE(archive.has_value());
    return archive.error();
}

CpioError error_with(std::size_t offset, std::string_view text) {
    ByteVector bytes = ArchiveBuilder().entry("abc", kFile, "data").finish();
    std::memcpy(bytes.data() + offset, text.data(), text.size());
    return error_of(bytes);
}

}  // namespace

TEST_CASE("cpio: find") {
    const ByteVector bytes = typical();
    const auto archive = CpioArchive::open(bytes);
    REQUIRE(archive.has_value());
    CHECK(content(*archive, "root") == "ROOT TASK");
    CHECK(content(*archive, "./root") == "ROOT TASK");
    CHECK(content(*archive, "bin/worker") == "W");
    CHECK(content(*archive, "manifest") == "");
    CHECK_FALSE(content(*archive, "bin"));  // a directory
    CHECK_FALSE(content(*archive, "worker"));
    CHECK_FALSE(content(*archive, ""));
    CHECK_FALSE(content(*archive, "TRAILER!!!"));
}

TEST_CASE("cpio: iteration in the archive's order, as far as wanted") {
    const ByteVector bytes = typical();
    const auto archive = CpioArchive::open(bytes);
    std::vector<std::string> names;
    archive->for_each([&](const CpioEntry& entry) {
        names.emplace_back(entry.name);
        CHECK(entry.is_file() == (entry.name != "." && entry.name != "bin"));
        return true;
    });
    CHECK(names == std::vector<std::string>{".", "root", "bin", "bin/worker", "manifest", "manifest"});
    int visited = 0;
    archive->for_each([&](const CpioEntry&) { return ++visited < 2; });
    CHECK(visited == 2);
}

TEST_CASE("cpio: variants that are accepted") {
    CHECK(CpioArchive::open(ArchiveBuilder().finish()).has_value());
    const ByteVector crc = ArchiveBuilder().entry("a", kFile, "x", "070702").finish();
    CHECK(content(*CpioArchive::open(crc), "a") == "x");
    ByteVector rest = typical();
    rest.insert(rest.end(), 100, std::byte{0xee});  // behind the trailer
    CHECK(CpioArchive::open(rest).has_value());
    ByteVector upper = ArchiveBuilder().entry("a", kFile, "0123456789").finish();
    std::memcpy(upper.data() + 54, "0000000A", 8);
    CHECK(content(*CpioArchive::open(upper), "a") == "0123456789");
}

TEST_CASE("cpio: malformed archives are refused with their reason") {
    CHECK(error_of({}) == CpioError::kHeaderPastEnd);
    CHECK(error_of(ArchiveBuilder().entry("a", kFile, "x").unfinished()) == CpioError::kHeaderPastEnd);
    CHECK(error_with(0, "070707") == CpioError::kMagic);
    CHECK(error_with(0, "0706") == CpioError::kMagic);
    CHECK(error_with(54, "0000000g") == CpioError::kNotHex);
    CHECK(error_with(54, "0x000004") == CpioError::kNotHex);
    CHECK(error_with(54, "       4") == CpioError::kNotHex);
    CHECK(error_with(54, "-0000004") == CpioError::kNotHex);
    CHECK(error_with(14, "@0000000") == CpioError::kNotHex);
    CHECK(error_with(94, "ffffffff") == CpioError::kNamePastEnd);
    CHECK(error_with(94, "00000003") == CpioError::kNameNotTerminated);
    CHECK(error_with(94, "00000000") == CpioError::kNameNotTerminated);
    CHECK(error_with(54, "ffffffff") == CpioError::kDataPastEnd);
    CHECK(error_with(54, "00000005") == CpioError::kMagic);  // the next header is sought too late
}

TEST_CASE("cpio: no truncation and no mutation reads outside or hangs") {
    const ByteVector sample = typical();
    // Up to where the trailer's name ends.
    const std::string_view text(reinterpret_cast<const char*>(sample.data()), sample.size());
    const std::size_t needed = text.find("TRAILER!!!") + sizeof("TRAILER!!!");
    for_each_truncation(sample, [&](Bytes cut, std::size_t length) {
        INFO("length " << length);
        CHECK(CpioArchive::open(cut).has_value() == (length >= needed));
    });
    for_each_mutation(sample, 11, 20000, [](Bytes bytes) {
        const auto archive = CpioArchive::open(bytes);
        if (archive) {
            unsigned sum = 0;
            archive->for_each([&](const CpioEntry& entry) {
                for (const std::byte byte : entry.data) {
                    sum += static_cast<unsigned>(byte);
                }
                return true;
            });
            (void)archive->find("manifest");
        }
    });
    for (int error = 0; error <= static_cast<int>(CpioError::kDataPastEnd); ++error) {
        CHECK(describe(static_cast<CpioError>(error)) != "unknown archive error");
    }
}
