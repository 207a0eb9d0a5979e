// SPDX-License-Identifier: MIT
//
// summary(): what is known only when all is over.
#pragma once

#include "policy.hpp"
#include "world.hpp"

namespace sim {

[[nodiscard]] Result summary(World& world, const sched::Policy& policy);

}  // namespace sim
