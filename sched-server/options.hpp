// SPDX-License-Identifier: MIT
//
// The server's arguments: `policy=NAME` (default round_robin), `cpus=MASK` (those of the domain's CPUs that
// it serves; default all), `fault=...` (fault.hpp; tests only). parse_options() accepts them or writes the
// line that says what is wrong.
#pragma once

#include "cap/format.hpp"
#include "fault.hpp"
#include "registry.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sched {

struct Options {
    const PolicyEntry* policy = nullptr;
    std::uint64_t cpus = ~std::uint64_t{0};
    FaultPlan fault;
};

[[nodiscard]] std::optional<Options> parse_options(std::string_view arguments, cap::LineWriter& error);

}  // namespace sched
