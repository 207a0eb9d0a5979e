// SPDX-License-Identifier: MIT
//
// The server's arguments: `policy=NAME` (default round_robin), `cpus=MASK` (those of the domain's CPUs that
// it serves; default all), `agents=per_cpu` or `central` (one, on the first CPU, that serves all), `record=PAGES` (of the
// memory object "record", 2 to 512, into which every call of the policy is written; default 0: none), `fault=...` (fault.hpp;
// tests only). All others are the policy's parameters. parse_options() accepts them or writes the line that says what is
// wrong.
#pragma once

#include "cap/format.hpp"
#include "fault.hpp"
#include "policy_seat.hpp"
#include "registry.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sched {

struct Options {
    const PolicyEntry* policy = nullptr;
    std::uint64_t cpus = ~std::uint64_t{0};
    bool central = false;
    std::uint32_t record_pages = 0;
    FaultPlan fault;
    std::array<Setting, 16> settings;
    std::size_t setting_count = 0;

    [[nodiscard]] std::span<const Setting> parameters() const {
        return std::span(settings).first(setting_count);
    }
};

[[nodiscard]] std::optional<Options> parse_options(std::string_view arguments, cap::LineWriter& error);

}  // namespace sched
