// SPDX-License-Identifier: MIT
//
// Result: what a simulation found. docs/simulator.md says what each number means. `hash` covers every dispatch, so two
// runs with one hash made the same schedule.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sim {

struct Latency {
    std::uint64_t count = 0, p50 = 0, p90 = 0, p99 = 0, most = 0;
};

// From a call to its reply, of the threads of one line.
struct CallTimes {
    std::uint32_t line = 0;  // in the scenario's text
    Latency time;
};

struct Result {
    std::string policy;
    std::string scenario;
    std::uint64_t seed = 0;
    std::uint32_t cpus = 0;
    std::uint64_t threads = 0, unfinished = 0;
    std::uint64_t makespan_ns = 0, bound_ns = 0;  // bound 0: not all have finished
    std::uint64_t service_ns = 0;                 // of all threads
    Latency wake;
    std::uint64_t longest_wait_ns = 0;
    double fairness = 1;
    std::vector<CallTimes> calls;
    std::uint64_t longest_inversion_ns = 0;
    std::uint64_t migrations = 0, node_migrations = 0;
    std::uint64_t idle_with_work_ns = 0;  // summed over CPUs
    std::uint64_t jobs = 0, deadline_misses = 0;
    std::uint64_t decisions = 0, dispatches = 0, preemptions = 0, refusals = 0, ticks = 0, steps = 0;
    std::uint64_t hash = 0;
    std::vector<std::pair<std::string, std::uint64_t>> policy_numbers;
};

}  // namespace sim
