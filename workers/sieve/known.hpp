// SPDX-License-Identifier: MIT
//
// The ranges that a run can count, with what must come out, so that the sieve never vouches for itself:
//
//     count     pi(10^n): OEIS A006880; pi(2^n): OEIS A007053; differences of these
//     sum       below 10^n: OEIS A046731 and its differences, A077645. Below 2^n: by the recurrence of
//     Legendre and
//               Meissel on sums, which never lists a prime; test/unit/scale_known_test.cpp repeats it for
//               every row
//     checksum  from a plain sieve without segments; the unit tests repeat it for the smallest row
#pragma once

#include "sieve/plan.hpp"
#include "sieve/tally.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cox::sieve {

struct Known {
    std::string_view name;
    Range range;
    Tally tally;
};

[[nodiscard]] std::span<const Known> all_known();

// By name, or by the upper end of a range from 0: "268435456", "0x10000000" and "256M" are the same as
// "medium".
[[nodiscard]] std::optional<Known> find_known(std::string_view text);

// All names, for error messages.
inline constexpr std::string_view kKnownNames =
    "smoke, small, medium, big, large, default, giant, decade8, decade9";

// "" if `tally` is what it must be, else what is wrong with it.
[[nodiscard]] std::string_view fault_in(const Known& known, const Tally& tally);

}  // namespace cox::sieve
