// SPDX-License-Identifier: MIT
//
// KernelModel: the kernel's half of docs/scheduling.md: queues first in, first out, slices armed only while another thread
// is queued, commits with their refusals, recalls, hints, events. Threads of the domain alone; what the agents' own time
// on the CPUs does to them is left out.
#pragma once

#include "behaviour.hpp"
#include "world.hpp"

namespace sim {

class KernelModel {
public:
    KernelModel(World& world, Behaviour& behaviour)
        : world_(world),
          behaviour_(behaviour),
          endpoints_(world.scenario.has_calls ? world.scenario.crews.size() : 0) {}

    void start(SimThread& thread) { made_runnable(thread, abi::Cause::kStarted); }
    void wake(SimThread& thread);
    // The CPU's timer is due, unless it has been set anew since.
    void timer(std::uint32_t cpu, std::uint32_t epoch);
    // kOk, or why not.
    [[nodiscard]] abi::Error commit(const Commit& commit);
    // After the last step: throws when a call is lost.
    void finish() const;

private:
    // Where the servers of a line receive.
    struct Endpoint {
        std::deque<SimThread*> callers;     // that no server has received yet
        std::vector<SimThread*> receivers;  // the last one is the next
        SimThread* last = nullptr;          // who has received here last
    };

    void made_runnable(SimThread& thread, abi::Cause cause);
    void unplace(SimThread& thread, abi::Cause cause);
    void queue(SimThread& thread, std::uint32_t cpu, std::uint64_t slice_ns, bool head);
    void settle(std::uint32_t cpu);
    void dispatch(std::uint32_t cpu);
    void arm(std::uint32_t cpu);
    void account(SimCpu& cpu);
    SimThread& take_current(std::uint32_t cpu);
    void end_turn(std::uint32_t cpu);
    void end_slice(std::uint32_t cpu);
    void recall(SimThread& thread);
    void block(std::uint32_t cpu, abi::Cause cause);

    // kernel_calls.cpp
    void call(std::uint32_t cpu);
    void reply_and_receive(std::uint32_t cpu);
    void answer(SimThread& caller);
    void receive(SimThread& server, SimThread& caller);
    void switch_straight(std::uint32_t cpu, SimThread& to, abi::Cause cause);
    void end_loan(SimThread& server);

    void post(SimThread& thread);

    World& world_;
    Behaviour& behaviour_;
    std::vector<Endpoint> endpoints_;  // of each line
};

}  // namespace sim
