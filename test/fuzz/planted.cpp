// SPDX-License-Identifier: MIT
//
// The negative control: a parser of records (length, that many bytes) with a mistake, by which the fuzzers are known to
// find mistakes.
//
//     COX_PLANTED_OVERREAD    a record that ends with the input is read one byte too far
//     COX_PLANTED_ROUND_TRIP  a record of seven bytes is written again as one of six
#include "fuzz.hpp"

namespace cox::fuzz {
namespace {

std::vector<Bytes> records(Bytes input) {
    std::vector<Bytes> all;
    while (!input.empty()) {
        const auto length = std::to_integer<std::size_t>(input[0]);
        const auto record = core::sub_bytes(input, 1, length);
        if (!record) {
            return {};
        }
        all.push_back(*record);
        input = input.subspan(1 + length);
    }
    return all;
}

bool check(Bytes input) {
    const auto parsed = records(input);
    ByteVector again;
    for (Bytes record : parsed) {
#ifdef COX_PLANTED_OVERREAD
        (void)lies_in(Bytes(record.data(), record.size() + (record.size() == 3 ? 1 : 0)), input);
#endif
#ifdef COX_PLANTED_ROUND_TRIP
        record = record.size() == 7 ? record.first(6) : record;
#endif
        again.push_back(static_cast<std::byte>(record.size()));
        again.insert(again.end(), record.begin(), record.end());
    }
    FUZZ_CHECK(records(again).size() == parsed.size());
    for (std::size_t i = 0; i < parsed.size(); ++i) {
        FUZZ_CHECK(records(again)[i].size() == parsed[i].size());
    }
    return !parsed.empty();
}

std::vector<ByteVector> seeds() { return {bytes_of("\1a\2bc")}; }

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
