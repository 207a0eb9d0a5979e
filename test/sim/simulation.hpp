// SPDX-License-Identifier: MIT
//
// simulate(): one policy under one scenario, from the first event to the last. The same policy, scenario and seed give the
// same result, bit for bit. Throws Violation when an invariant is broken.
//
// Invariants, checked at every step: what the policy picks is a thread that is enqueued, and so on no CPU, and may run there;
// no CPU is idle for longer than the policy promises (Policy::may_idle_ns) while a thread that may run there is
// enqueued; no thread runs longer than it wants to or wakes twice. At the end: every thread has gone, or the time is up and the
// policy still has those that are enqueued; a thread is on as many CPUs as its state says.
#pragma once

#include "policy.hpp"
#include "result.hpp"
#include "scenario.hpp"

namespace sim {

// The policy has been started, on the scenario's machine, and knows no thread.
[[nodiscard]] Result simulate(sched::Policy& policy, const Scenario& scenario, std::uint64_t seed);

}  // namespace sim
