// SPDX-License-Identifier: MIT
//
// Clock, AddressSpace, Arena.
#include <catch2/catch.hpp>
#include <cstddef>
#include <vector>

#include "cap/address_space.hpp"
#include "cap/arena.hpp"
#include "cap/clock.hpp"

using namespace cap;

TEST_CASE("libcap clock: exact at 1 GHz, close everywhere else, far from overflow") {
    const Clock ghz(1'000'000'000);
    CHECK(ghz.ns(0) == 0);
    CHECK(ghz.ns(123'456'789'012'345) == 123'456'789'012'345);
    CHECK(ghz.ticks(987'654'321) == 987'654'321);

    constexpr std::uint64_t kDay = 24ull * 3600 * 1'000'000'000;
    for (const std::uint64_t hz :
         {1'000'000ull, 1'193'182ull, 2'400'000'000ull, 2'999'999'999ull, 16'000'000'000ull}) {
        const Clock clock(hz);
        const auto day_in_ticks =
            static_cast<std::uint64_t>(static_cast<__int128>(kDay) * hz / 1'000'000'000);
        const auto off = static_cast<std::int64_t>(clock.ns(day_in_ticks) - kDay);
        CHECK(std::abs(off) < 400'000);  // 0.4 ms a day
        const auto ticks_off = static_cast<std::int64_t>(clock.ticks(kDay) - day_in_ticks);
        CHECK(std::abs(ticks_off) <= static_cast<std::int64_t>(day_in_ticks / 1'000'000));
    }
}

TEST_CASE("libcap address space: ranges never touch, and end with the space") {
    AddressSpace space(0x10000, 0x10000 + 10 * abi::kPageSize);
    const auto first = space.reserve(2);
    const auto second = space.reserve(3);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(*first > 0x10000);
    CHECK(*second >= *first + 3 * abi::kPageSize);  // a page between them
    CHECK(space.reserve(4).error() == abi::Error::kNoMemory);
    CHECK(space.reserve(~std::uint64_t{0}).error() == abi::Error::kNoMemory);
    CHECK(space.reserve(2));
}

TEST_CASE("libcap arena: aligned, zero-initialised, and full when it is full") {
    struct alignas(64) Line {
        std::uint64_t word = 7;
    };
    std::vector<std::byte> memory(1024);
    Arena arena{std::span(memory)};
    CHECK(*arena.make<char>('x') == 'x');
    const Line* line = arena.make<Line>();
    REQUIRE(line != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(line) % 64 == 0);
    CHECK(line->word == 7);
    const auto numbers = arena.make_array<std::uint32_t>(10);
    REQUIRE(numbers.size() == 10);
    CHECK(numbers[9] == 0);
    CHECK(arena.make_array<Line>(16).empty());
    CHECK(arena.make_array<std::uint64_t>(~std::size_t{0} / 4).empty());
    CHECK(arena.allocate(~std::size_t{0}, 8) == nullptr);
}
