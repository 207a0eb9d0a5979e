// SPDX-License-Identifier: MIT
//
// World: what the parts of a simulation share: the threads, the time, what is on its way, and the counters. One that is
// constructed has every thread not yet come.
#pragma once

#include "abi/error.hpp"
#include "event_queue.hpp"
#include "metrics.hpp"
#include "result.hpp"
#include "scenario.hpp"
#include "sim_thread.hpp"
#include "violation.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace sim {

struct SimCpu {
    SimThread* current = nullptr;
    RunQueue queue;
    std::uint64_t run_start_ns = 0;  // of the current thread, or of its turn
    std::uint64_t armed_ns = kForever;
    std::uint32_t epoch = 0;
};

// What the server is told, once it is due: a thread has changed, or a CPU (thread nullptr) is idle.
struct ServerEvent {
    std::uint64_t due_ns;
    SimThread* thread;
    std::uint32_t cpu;
};

struct Commit {
    std::uint64_t due_ns;
    SimThread* thread;
    std::uint32_t sequence;
    std::uint32_t cpu;
    std::uint32_t flags;
    std::uint64_t slice_ns;
};

struct World {
    World(const Scenario& its_scenario, std::uint64_t its_seed)
        : scenario(its_scenario),
          seed(its_seed),
          storage(std::make_unique<SimThread[]>(its_scenario.threads())),
          threads(storage.get(), its_scenario.threads()),
          cpus(its_scenario.cpus.size()),
          idle_cpus(its_scenario.cpus.size()),
          call_times(its_scenario.has_calls ? its_scenario.crews.size() : 0) {}

    void advance(std::uint64_t to_ns) {
        result.idle_with_work_ns += (to_ns - now_ns) * std::min<std::uint64_t>(idle_cpus, waiting);
        now_ns = to_ns;
    }
    // `what` is the text, or a function that makes it.
    template <class What>
    void expect(bool condition, const What& what) const {
        if (!condition) [[unlikely]] {
            if constexpr (std::is_invocable_v<const What&>) {
                throw Violation(result.steps, now_ns, what());
            } else {
                throw Violation(result.steps, now_ns, std::string(what));
            }
        }
    }
    void tell_server(SimThread* thread, std::uint32_t cpu = 0) {
        events.push_back({now_ns + scenario.costs.event_ns, thread, cpu});
    }

    const Scenario& scenario;
    const std::uint64_t seed;
    std::uint64_t now_ns = 0;
    std::unique_ptr<SimThread[]> storage;
    std::span<SimThread> threads;
    std::vector<SimCpu> cpus;
    EventQueue timers;
    std::deque<ServerEvent> events;  // each takes the same time, so they stay in order
    std::deque<Commit> commits;

    std::uint64_t idle_cpus;
    std::uint64_t waiting = 0;  // threads unplaced or queued
    std::uint64_t come = 0;     // threads that have come
    std::uint64_t due = 0;      // threads that come or have come
    std::uint64_t gone = 0;
    std::uint64_t servers = 0;          // threads that have come and never go
    std::vector<SimThread*> calling;    // those that wait for a reply
    std::vector<Histogram> call_times;  // of each line: from a call to its reply
    Histogram wake_latency;
    Fold fold;
    Result result;
};

}  // namespace sim
