// SPDX-License-Identifier: MIT
//
// What the agents share: the dispatcher behind its lock, what the main thread wants of them, and the ways to end the server.
#pragma once

#include "cap/env.hpp"
#include "cap/sched_domain.hpp"
#include "desk.hpp"
#include "dispatcher.hpp"
#include "errand.hpp"
#include "fault.hpp"
#include "spin_lock.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace sched {

namespace abi = cox::abi;

struct Server {
    // Bits of `main_bell`.
    static constexpr std::uint64_t kFailed = 1, kErrandDone = 2, kLeft = 4;

    // `its_agents`: the CPUs that have one.
    Server(const cap::Env& environment, cap::SchedDomain its_domain, cap::Notification bell, FaultPlan plan,
           Policy& policy, Dispatcher::Table its_table, abi::HintLine* hints, std::uint64_t cpus,
           std::uint64_t its_agents)
        : env(environment),
          domain(its_domain),
          main_bell(bell),
          fault(plan),
          table(its_table),
          agents(its_agents),
          dispatcher(policy, its_table, cpus, environment.clock, hints) {}

    // An agent cannot go on: wakes the main thread, which says so and ends the process. The first reason
    // counts.
    void fail(abi::Error reason) {
        std::int64_t none = 0;
        // Relaxed: the signal orders it before the main thread's look.
        error.compare_exchange_strong(none, static_cast<std::int64_t>(reason), std::memory_order_relaxed);
        (void)main_bell.signal(kFailed);
    }

    // The calling agent touches its event ring no more, since the server retires. The last one leaves the domain, before anybody
    // is told: so the successor finds no agent of this server at work.
    void stop_agent() {
        // acq_rel: the last one comes after all the others have stopped
        if (working_agents.fetch_sub(1, std::memory_order_acq_rel) != 1) {
            return;
        }
        (void)domain.detach();
        desk.answer(true, "");
        if (handover) {
            (void)handover.signal(1);
        }
        (void)main_bell.signal(kLeft);
    }

    const cap::Env& env;
    cap::SchedDomain domain;
    cap::Notification main_bell;  // the main thread waits for it
    cap::Notification handover;   // to the next server; may be none
    std::atomic<std::int64_t> error{0};
    Fault fault;
    Dispatcher::Table table;
    std::uint64_t agents;
    std::array<cap::Notification, abi::kMaxCpus> nudges;  // of the agent on that CPU
    std::atomic<Errand*> errand{nullptr};                 // for the first agent
    std::atomic<bool> retiring{false};                    // agents stop between two rounds
    std::atomic<std::uint32_t> working_agents{static_cast<std::uint32_t>(std::popcount(agents))};
    Desk desk;
    SpinLock lock;
    Dispatcher dispatcher __attribute__((guarded_by(lock)));
    // The earliest time until which an agent waits for the policy's next tick. Whoever brings it forward waits for it.
    std::uint64_t tick_awaited_ns __attribute__((guarded_by(lock))) = kNever;
};

}  // namespace sched
