// SPDX-License-Identifier: MIT
//
// What a worker leaves for its parent, in a page that nobody else shares. The worker writes it once, after
// its work.
#pragma once

#include "sieve/tally.hpp"

#include <atomic>
#include <cstdint>

namespace cox::sieve {

enum class WorkerState : std::uint64_t { kNothing = 0, kReady = 1, kDone = 2 };

struct ResultPage {
    // Stored with release by the worker, loaded with acquire by the parent: the rest is there when it says
    // kDone.
    std::atomic<WorkerState> state;
    std::uint64_t start;  // TSC, as the worker's first and last look at it
    std::uint64_t end;
    Tally tally;
};
static_assert(sizeof(ResultPage) == 48);

}  // namespace cox::sieve
