// SPDX-License-Identifier: MIT
//
// What the simulator's tests share.
#pragma once

#include "cap/format.hpp"
#include "policy_seat.hpp"
#include "simulation.hpp"
#include "violation.hpp"

#include <memory>
#include <string>

namespace test {

// What becomes of a policy of the registry. `refused` is why it does not work on that machine; then there is no result.
struct Run {
    sim::Result result;
    std::string refused;
};

inline Run run(const sched::PolicyEntry& entry, const sim::Scenario& scenario, std::uint64_t seed) {
    const auto seat = std::make_unique<sched::PolicySeat>();
    cap::LineBuffer<400> error;
    sched::Policy* const policy = seat->prepare(entry, {}, {scenario.cpus}, error);
    if (policy == nullptr) {
        return {{}, std::string(error.view())};
    }
    return {sim::simulate(*policy, scenario, seed), {}};
}

// What is wrong with a policy; empty if nothing.
inline std::string complaint(sched::Policy& policy, const sim::Scenario& scenario, std::uint64_t seed = 1) {
    try {
        (void)sim::simulate(policy, scenario, seed);
    } catch (const sim::Violation& broken) {
        return broken.what();
    }
    return {};
}

inline sim::Scenario scenario(const std::string& text) { return sim::parse_scenario(text, "text", ""); }
inline sim::Scenario scenario_file(const std::string& name) {
    return sim::read_scenario(SIM_SCENARIOS "/" + name);
}

}  // namespace test
