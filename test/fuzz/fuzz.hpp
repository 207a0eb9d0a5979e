// SPDX-License-Identifier: MIT
//
// What a fuzz target is: one file that defines kTarget. The driver (driver.cpp) is the same for all.
//
// check() gets any bytes at all, in a heap block of exactly their size. It says whether the parser accepted them, and
// calls FUZZ_CHECK on what must hold of whatever was accepted: bounds, and that the result written out again is read
// back as the same. seeds() are inputs to start from; the driver refuses to run if one of them is not accepted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "core/bytes.hpp"

namespace cox::fuzz {

using core::Bytes;
using ByteVector = std::vector<std::byte>;

struct Target {
    bool (*check)(Bytes input);
    std::vector<ByteVector> (*seeds)();
};
extern const Target kTarget;

[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
    std::fprintf(stderr, "fuzz check failed: %s (%s:%d)\n", what, file, line);
    std::abort();
}

// Whether `part` lies inside `whole`, and can be read: under AddressSanitizer a byte outside ends the run.
inline bool lies_in(Bytes part, Bytes whole) {
    unsigned sum = 0;
    for (const std::byte byte : part) {
        sum += static_cast<unsigned>(byte);
    }
    asm volatile("" : : "r"(sum));  // the reads are not left out
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

inline ByteVector bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

}  // namespace cox::fuzz

#define FUZZ_CHECK(condition)                                             \
    do {                                                                  \
        if (!(condition)) {                                               \
            cox::fuzz::check_failed(#condition, __FILE_NAME__, __LINE__); \
        }                                                                 \
    } while (false)
