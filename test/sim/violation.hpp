// SPDX-License-Identifier: MIT
//
// Violation: an invariant is broken: at which step of the simulation, when, and what.
#pragma once

#include "sim_thread.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>

namespace sim {

class Violation : public std::runtime_error {
public:
    Violation(std::uint64_t step, std::uint64_t now_ns, const std::string& what)
        : std::runtime_error("step " + std::to_string(step) + ", " + std::to_string(now_ns) +
                             " ns: " + what) {}
};

// "thread 17 (enqueued since 2000 ns)"
inline std::string say(const SimThread& thread) {
    static constexpr const char* kPlaces[] = {"not with the policy", "enqueued", "picked"};
    return "thread " + std::to_string(thread.ref.index) + " (" + kPlaces[static_cast<int>(thread.place)] +
           ", runnable since " + std::to_string(thread.since_ns) + " ns)";
}

}  // namespace sim
