// SPDX-License-Identifier: MIT
//
// ServerSide: what a simulation asks of the scheduler server. ServerModel is the one that it has; a test puts the server's own
// Dispatcher in its place, to see that both make the same calls of a policy.
#pragma once

#include "world.hpp"

#include <cstdint>

namespace sim {

class ServerSide {
public:
    virtual ~ServerSide() = default;

    // One activation of an agent: takes the events that are due, then fills the CPUs.
    virtual void activate() = 0;
    // The kernel has refused that commit.
    virtual void refused(const Commit& commit, abi::Error error) = 0;
    // When to call activate() even if nothing happens.
    [[nodiscard]] virtual std::uint64_t tick_ns() const = 0;
    // After the last step: throws when a thread is left that the policy should have, and has not.
    virtual void finish() = 0;
};

}  // namespace sim
