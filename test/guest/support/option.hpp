// SPDX-License-Identifier: MIT
//
// What a test asks of the words that it was started with.
#pragma once

#include "core/command_line.hpp"
#include "suite.hpp"

#include <cstdint>
#include <string_view>

namespace test {

// `otherwise` where it is not there, or no number.
inline std::uint64_t option(const Case& t, std::string_view name, std::uint64_t otherwise) {
    const auto text = cox::core::CommandLine(t.env.arguments()).find(name);
    return text ? cox::core::parse_u64(*text).value_or(otherwise) : otherwise;
}

// False with `until=FAULT`, for a negative control: no amount of work is enough, but only that the fault is found.
inline bool any_amount_is_enough(const Case& t, std::string_view fault) {
    return cox::core::CommandLine(t.env.arguments()).find("until") != fault;
}

}  // namespace test
