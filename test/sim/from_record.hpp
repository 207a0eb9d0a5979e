// SPDX-License-Identifier: MIT
//
// An arrival trace (docs/simulator.md) made of a recording: what the threads of a recorded run wanted, for any policy. Times of
// running are those that the kernel counted; a time of sleep is too short by what the server took to hear of its begin.
// A thread that blocks without the server hearing of it (kHintWake) seems to run on.
#pragma once

#include "replay.hpp"
#include "scenario.hpp"

#include <string>
#include <vector>

namespace sim {

// By their starts, the first at 0. Threads that never ran are left out.
[[nodiscard]] std::vector<TraceThread> threads_of(const Recording& recording);
[[nodiscard]] std::string trace_text(const std::vector<TraceThread>& threads);

}  // namespace sim
