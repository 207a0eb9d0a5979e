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
    KernelModel(World& world, Behaviour& behaviour) : world_(world), behaviour_(behaviour) {}

    void start(SimThread& thread) { made_runnable(thread, abi::Cause::kStarted); }
    void wake(SimThread& thread);
    // The CPU's timer is due, unless it has been set anew since.
    void timer(std::uint32_t cpu, std::uint32_t epoch);
    // kOk, or why not.
    [[nodiscard]] abi::Error commit(const Commit& commit);

private:
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
    void post(SimThread& thread);

    World& world_;
    Behaviour& behaviour_;
};

}  // namespace sim
