// SPDX-License-Identifier: MIT
//
// Report: where a policy says its numbers, by name. The server prints them, the simulator puts them into its result.
#pragma once

#include <cstdint>
#include <string_view>

namespace sched {

class Report {
public:
    virtual void number(std::string_view name, std::uint64_t value) = 0;

protected:
    ~Report() = default;
};

}  // namespace sched
