// SPDX-License-Identifier: MIT
//
// What the agents share: the dispatcher behind its lock, and the way to end the server.
#pragma once

#include "cap/env.hpp"
#include "cap/sched_domain.hpp"
#include "dispatcher.hpp"
#include "fault.hpp"
#include "spin_lock.hpp"

#include <atomic>

namespace sched {

namespace abi = cox::abi;

struct Server {
    Server(const cap::Env& environment, cap::SchedDomain its_domain, cap::Notification failed, FaultPlan plan,
           Policy& policy, Dispatcher::Table table, abi::HintLine* hints, std::uint64_t cpus)
        : env(environment),
          domain(its_domain),
          failure(failed),
          fault(plan),
          dispatcher(policy, table, cpus, environment.clock, hints) {}

    // An agent cannot go on: wakes the main thread, which says so and ends the process. The first reason
    // counts.
    void fail(abi::Error reason) {
        std::int64_t none = 0;
        // Relaxed: the signal orders it before the main thread's look.
        error.compare_exchange_strong(none, static_cast<std::int64_t>(reason), std::memory_order_relaxed);
        (void)failure.signal(1);
    }

    const cap::Env& env;
    cap::SchedDomain domain;
    cap::Notification failure;
    std::atomic<std::int64_t> error{0};
    Fault fault;
    SpinLock lock;
    Dispatcher dispatcher __attribute__((guarded_by(lock)));
    // The earliest time until which an agent waits for the policy's next tick. Whoever brings it forward waits for it.
    std::uint64_t tick_awaited_ns __attribute__((guarded_by(lock))) = kNever;
};

}  // namespace sched
