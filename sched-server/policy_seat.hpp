// SPDX-License-Identifier: MIT
//
// PolicySeat: where the server's policy lives, with room for its successor. A policy that refuses its parameters or the
// machine never gets in charge, and the one that is in charge does not notice.
#pragma once

#include "registry.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace sched {

// A parameter as somebody has written it: "slice_us" and "2000".
struct Setting {
    std::string_view name;
    std::string_view value;
};

class PolicySeat {
public:
    // Constructs the policy, sets the parameters and starts it -> the policy, which accept() puts in charge, or nullptr and
    // the error in `line`.
    [[nodiscard]] Policy* prepare(const PolicyEntry& entry, std::span<const Setting> settings,
                                  const Machine& machine, cap::LineWriter& line);
    // The policy prepared last is now the one in charge; its predecessor is gone.
    void accept() { current_ = 1 - current_; }

private:
    std::array<PolicyStorage, 2> storage_;
    std::uint32_t current_ = 0;
};

}  // namespace sched
