// SPDX-License-Identifier: MIT
//
// What the tests of the scheduling protocol wait for, again and again.
#pragma once

#include "support/crew.hpp"
#include "support/domain_server.hpp"
#include "support/patience.hpp"
#include "support/random.hpp"

namespace test {

inline std::uint32_t last_cpu(const Case& t) { return t.cpus() - 1; }

inline bool comes_to(Case& t, const Worker& worker, abi::ThreadState state) {
    return eventually(t.env.clock, [&] { return worker.state() == state; });
}

// Comes to the state, and the event that says so stands in a ring.
inline bool becomes(Case& t, DomainServer& server, const Worker& worker, abi::ThreadState state) {
    return comes_to(t, worker, state) && eventually(t.env.clock, [&] { return server.heard(worker); });
}

// A spinning worker is given CPU time.
inline bool makes_progress(Case& t, const Worker& worker) {
    const std::uint64_t before = worker.beats();
    return eventually(t.env.clock, [&] { return worker.beats() != before; });
}

inline bool is_placed(abi::ThreadWord word) {
    return word.state() == abi::ThreadState::kRunning || word.state() == abi::ThreadState::kQueued;
}

inline cap::Result<abi::CpuStats> sum_of_stats(const Case& t) {
    abi::CpuStats sum{};
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const abi::CpuStats one = TRY(t.machine.cpu_stats(cpu));
        sum.server_dispatches += one.server_dispatches;
        sum.fallback_dispatches += one.fallback_dispatches;
        sum.commits_accepted += one.commits_accepted;
        sum.commits_refused += one.commits_refused;
        sum.events_posted += one.events_posted;
        sum.watchdog_hits += one.watchdog_hits;
        sum.dropped_completions += one.dropped_completions;
        sum.ipis_sent += one.ipis_sent;
        sum.shootdowns += one.shootdowns;
        sum.shootdown_ipis += one.shootdown_ipis;
        sum.shootdown_ipis_avoided += one.shootdown_ipis_avoided;
        sum.shootdowns_served += one.shootdowns_served;
    }
    return sum;
}

}  // namespace test
