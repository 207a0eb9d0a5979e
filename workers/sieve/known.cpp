// SPDX-License-Identifier: MIT
#include "sieve/known.hpp"

#include "core/command_line.hpp"

namespace cox::sieve {

namespace {

constexpr std::uint64_t power(std::uint64_t base, unsigned exponent) {
    std::uint64_t result = 1;
    for (; exponent != 0; --exponent) {
        result *= base;
    }
    return result;
}

constexpr Known kKnown[] = {
    {"smoke", {0, power(10, 7)}, {664'579, 3'203'324'994'356, 0x301b7b223ff36b4e}},
    {"small", {0, power(10, 8)}, {5'761'455, 279'209'790'387'276, 0x34f2bc606f986bcb}},
    {"medium", {0, power(2, 28)}, {14'630'843, 1'906'816'620'981'654, 0xbe10c7add1bec304}},
    {"big", {0, power(2, 29)}, {28'192'750, 7'357'074'544'482'779, 0x84aa94c8b51d1dcf}},
    {"large", {0, power(10, 9)}, {50'847'534, 24'739'512'092'254'535, 0xc171d9327102f612}},
    {"default", {0, power(2, 30)}, {54'400'028, 28'422'918'403'819'825, 0x427f3ff72f73f8a2}},
    {"giant", {0, power(2, 32)}, {203'280'221, 425'649'736'193'687'430, 0x62c1490dd675083a}},
    {"decade8", {power(10, 7), power(10, 8)}, {5'096'876, 276'006'465'392'920, 0x04d7413e2fa5007d}},
    {"decade9", {power(10, 8), power(10, 9)}, {45'086'079, 24'460'302'301'867'259, 0x8c7f1cd2016a8a47}},
};

}  // namespace

std::span<const Known> all_known() { return kKnown; }

std::optional<Known> find_known(std::string_view text) {
    const auto number = core::parse_u64(text);
    for (const Known& known : kKnown) {
        const bool is_number = number && known.range.lo == 0 && known.range.hi == *number;
        if (known.name == text || is_number) {
            return known;
        }
    }
    return std::nullopt;
}

std::string_view fault_in(const Known& known, const Tally& tally) {
    if (tally.count != known.tally.count) {
        return "the count is not the known number of primes";
    }
    if (tally.sum != known.tally.sum) {
        return "the count is right, but the sum of the primes is not";
    }
    if (tally.checksum != known.tally.checksum) {
        return "count and sum are right, but the checksum is not";
    }
    return {};
}

}  // namespace cox::sieve
