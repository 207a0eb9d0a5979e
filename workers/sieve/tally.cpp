// SPDX-License-Identifier: MIT
//
// Primes are not looked at one by one, which would cost as much as finding them. With a number written as
// n = 256 g + 2 c + 1 (group g, column c), the sum over all n needs only how many primes each group has and
// how many each column has. Eight columns share a 64-bit word, a byte each:
//
//     group g     word 0 | word 1 | ... | word 15      columns[w] += word w        bytes: primes per column
//     group g+1   word 0 | word 1 | ... | word 15      in_group += all 16 words    bytes: at most 16
//
// A column of a segment has at most 256 bytes, of which at most two in three can be prime (the columns step
// by 256, so 3 divides every third), so no byte overflows; flags that break this give a wrong tally and
// nothing worse.
#include "sieve/tally.hpp"

#include <array>

namespace cox::sieve {

namespace {

constexpr std::size_t kWords = kGroupBytes / 8;
constexpr std::uint64_t kOnes = 0x0101010101010101;

std::uint64_t load_word(const std::uint8_t* bytes) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, bytes, sizeof(word));
    return word;
}

// Sum of c * (primes in column c).
std::uint64_t weigh_columns(const std::array<std::uint64_t, kWords>& columns) {
    std::uint64_t sum = 0;
    for (std::size_t column = 0; column < kGroupBytes; ++column) {
        sum += column * (columns[column / 8] >> column % 8 * 8 & 0xff);
    }
    return sum;
}

}  // namespace

Tally tally_flags(std::span<const std::uint8_t> flags, std::uint64_t first_group) {
    Tally tally;
    std::array<std::uint64_t, kWords> columns{};
    std::uint64_t group_sum = 0;
    const std::uint8_t* bytes = flags.data();
    const std::uint64_t end = first_group + flags.size() / kGroupBytes;
    for (std::uint64_t group = first_group; group < end; ++group, bytes += kGroupBytes) {
        std::uint64_t in_group = 0;
        for (std::size_t i = 0; i < kWords; ++i) {
            const std::uint64_t word = load_word(bytes + 8 * i);
            columns[i] += word;
            in_group += word;
        }
        const std::uint64_t primes = in_group * kOnes >> 56;  // the sum of its bytes
        tally.count += primes;
        group_sum += primes * group;
        tally.checksum += primes * mix(group);
    }
    tally.sum = kGroupNumbers * group_sum + 2 * weigh_columns(columns) + tally.count;
    if (first_group == 0 && flags[0] != 0) {
        tally.sum += 1;
    }
    tally.checksum += tally.sum;
    return tally;
}

}  // namespace cox::sieve
