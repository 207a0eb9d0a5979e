// SPDX-License-Identifier: MIT
//
// What workers leave for their parent: for each a pair of cache lines, of which it writes the first alone, once, after its
// work. The second is for whoever made the worker's thread and may read the kernel's record of it: a process that counts
// with several threads. The pages of a process with one worker hold one pair.
#pragma once

#include "sieve/tally.hpp"

#include <atomic>
#include <cstdint>

namespace cox::sieve {

enum class WorkerState : std::uint64_t { kNothing = 0, kReady = 1, kDone = 2 };

// Of one thread in the timed section, by the kernel's record.
struct Account {
    std::uint64_t runtime_ns;  // on a CPU
    std::uint64_t wakes;
    std::uint64_t calls;
    std::uint64_t cpu;  // where it ran last
    std::int64_t exit_code;
};

struct ResultLine {
    // Stored with release by the worker, loaded with acquire by the parent: the rest is there when it says kDone.
    alignas(64) std::atomic<WorkerState> state;
    std::uint64_t start;  // TSC, as the worker's first and last look at it
    std::uint64_t end;
    Tally tally;

    alignas(64) Account account;
};
static_assert(sizeof(ResultLine) == 128);

inline constexpr std::uint64_t kResultPages =
    (kMaxWorkers * sizeof(ResultLine) + 4095) / 4096;  // for all threads

}  // namespace cox::sieve
