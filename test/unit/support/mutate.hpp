// SPDX-License-Identifier: MIT
//
// Malformed inputs for parsers. Every input given to `parse` is a heap block of exactly its size, so that the
// address sanitizer sees a read one byte beyond it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace cox::test {

using ByteVector = std::vector<std::byte>;

// parse(input, length) for every shorter length.
template <class Parse>
void for_each_truncation(const ByteVector& sample, Parse parse) {
    for (std::size_t length = 0; length < sample.size(); ++length) {
        const ByteVector cut(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(length));
        parse(std::span<const std::byte>(cut), length);
    }
}

// Overwrites one to four places of one to eight bytes with values that parsers stumble over. Same seed, same
// inputs.
inline ByteVector mutated(const ByteVector& sample, std::mt19937_64& random) {
    static constexpr std::uint64_t kNasty[] = {0,
                                               1,
                                               7,
                                               8,
                                               0x7f,
                                               0x80,
                                               0xff,
                                               0xfff,
                                               0x1000,
                                               0xffff,
                                               0x7fffffff,
                                               0x80000000,
                                               0xffffffff,
                                               0x7fffffffffffffff,
                                               ~std::uint64_t{0} - 7,
                                               ~std::uint64_t{0}};
    ByteVector result = sample;
    for (std::uint64_t places = 1 + random() % 4; places > 0; --places) {
        const std::uint64_t value = random() % 2 == 0 ? random() : kNasty[random() % std::size(kNasty)];
        const std::size_t width = std::size_t{1} << random() % 4;
        const std::size_t at = random() % result.size();
        for (std::size_t i = 0; i < width && at + i < result.size(); ++i) {
            result[at + i] = static_cast<std::byte>(value >> (8 * i));
        }
    }
    return result;
}

template <class Parse>
void for_each_mutation(const ByteVector& sample, std::uint64_t seed, int rounds, Parse parse) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < rounds; ++round) {
        const ByteVector input = mutated(sample, random);
        parse(std::span<const std::byte>(input));
    }
}

}  // namespace cox::test
