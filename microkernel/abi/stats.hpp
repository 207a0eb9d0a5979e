// SPDX-License-Identifier: MIT
// The kernel's accounting of one CPU, since boot. Each counter is written by that CPU alone.
#pragma once
#include <cstdint>

namespace cox::abi {

struct CpuStats {
    std::uint64_t server_dispatches;    // of threads that a commit placed here
    std::uint64_t fallback_dispatches;  // of threads of a domain that the kernel placed here
    std::uint64_t system_dispatches;    // of threads in no domain
    std::uint64_t agent_dispatches;
    std::uint64_t commits_accepted;  // executed by this CPU, for whichever CPU
    std::uint64_t commits_refused;
    std::uint64_t events_posted;
    std::uint64_t timer_interrupts;
    std::uint64_t ipis_received;
    std::uint64_t ipis_sent;
    std::uint64_t shootdowns;           // started here
    std::uint64_t watchdog_hits;        // threads found starved here
    std::uint64_t dropped_completions;  // for threads that had gone
    std::uint64_t domain_ticks;         // TSC ticks spent in threads of a domain
    std::uint64_t system_ticks;         // in threads of no domain, agents included
    std::uint64_t idle_ticks;
    std::uint64_t shootdown_ipis;          // sent for the shootdowns started here
    std::uint64_t shootdown_ipis_avoided;  // other CPUs that needed none for them
    std::uint64_t shootdowns_served;       // flushes here because others had started some
};
static_assert(sizeof(CpuStats) == 152);

}  // namespace cox::abi
