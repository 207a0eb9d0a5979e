// SPDX-License-Identifier: MIT
//
// Parameter: a number that a policy lets its users set, with the values that are allowed. set_parameter() is the only
// way to write one. Policies read the variable behind it at each decision, so a change acts from the next one on.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace cap {
class LineWriter;
}

namespace sched {

struct Parameter {
    std::string_view name;  // with its unit: "slice_us"
    std::uint64_t* value;
    std::uint64_t least;
    std::uint64_t most;
};

// False, with the error in `line`, when no parameter of that name is there or the text is no number between least and most:
//     error: policy fifo has no parameter "slice_us"; known: none
//     error: parameter slice_us=0 is not a number from 100 to 1000000
[[nodiscard]] bool set_parameter(std::string_view policy, std::span<const Parameter> known,
                                 std::string_view name, std::string_view text, cap::LineWriter& line);

}  // namespace sched
