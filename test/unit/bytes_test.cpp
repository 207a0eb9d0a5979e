// SPDX-License-Identifier: MIT
#include "core/bytes.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <limits>

#include "core/phys_view.hpp"

using namespace cox::core;

namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

Bytes sample() {
    static constexpr std::array<std::byte, 10> kSample{
        std::byte{0x01}, std::byte{0x02}, std::byte{0x83}, std::byte{0x04}, std::byte{0x05},
        std::byte{0x06}, std::byte{0x07}, std::byte{0xf8}, std::byte{'A'},  std::byte{0x00}};
    return kSample;
}

}  // namespace

TEST_CASE("bytes: integers are little-endian and bounded") {
    CHECK(read_le<std::uint8_t>(sample(), 2) == 0x83);
    CHECK(read_le<std::uint16_t>(sample(), 1) == 0x8302);
    CHECK(read_le<std::uint32_t>(sample(), 0) == 0x04830201u);
    CHECK(read_le<std::uint64_t>(sample(), 0) == 0xf807060504830201u);
    CHECK(read_le<std::uint64_t>(sample(), 2) == 0x0041f80706050483u);
    CHECK_FALSE(read_le<std::uint64_t>(sample(), 3));
    CHECK_FALSE(read_le<std::uint32_t>(sample(), 7));
    CHECK_FALSE(read_le<std::uint16_t>(sample(), 9));
    CHECK_FALSE(read_le<std::uint8_t>(sample(), 10));
    CHECK_FALSE(read_le<std::uint8_t>(sample(), kMax));
    CHECK_FALSE(read_le<std::uint64_t>(sample(), kMax - 3));
    CHECK_FALSE(read_le<std::uint8_t>(Bytes{}, 0));
}

TEST_CASE("bytes: parts of a span") {
    CHECK(sub_bytes(sample(), 2, 3)->size() == 3);
    CHECK(sub_bytes(sample(), 2, 3)->data() == sample().data() + 2);
    CHECK(sub_bytes(sample(), 10, 0)->empty());
    CHECK_FALSE(sub_bytes(sample(), 11, 0));
    CHECK_FALSE(sub_bytes(sample(), 9, 2));
    CHECK_FALSE(sub_bytes(sample(), 2, kMax));
    CHECK_FALSE(sub_bytes(sample(), kMax, kMax));
    CHECK(bytes_from(sample(), 4)->size() == 6);
    CHECK(bytes_from(sample(), 10)->empty());
    CHECK_FALSE(bytes_from(sample(), 11));
}

TEST_CASE("bytes: strings end inside the span or not at all") {
    CHECK(c_string(sample().subspan(8)) == "A");
    CHECK(c_string(sample().subspan(9)) == "");
    CHECK_FALSE(c_string(sample().first(9)));
    CHECK_FALSE(c_string(Bytes{}));
}

TEST_CASE("bytes: a view of physical memory gives all that was asked for or nothing") {
    const auto generous = [](std::uint64_t, std::uint64_t) { return sample(); };
    const PhysView view = generous;
    CHECK(view(0, 4).size() == 4);
    CHECK(view(0, 10).size() == 10);
    CHECK(view(0, 11).empty());
    CHECK(view(0, 0).empty());
    const PhysView copy = view;
    CHECK(copy(0, 4).data() == sample().data());
}
