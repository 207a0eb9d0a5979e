// SPDX-License-Identifier: MIT
//
// InversionWatch: priority inversion along chains of calls. A thread that waits for a reply stands behind whoever works for it, at the end of
// its chain. That one is *inverted* while it is runnable and has no CPU, though on one where it may run there is a thread whose claim is
// less than the caller's (Policy::claims_before). What counts is the sum of that since it began to wait for a CPU. The claim of a thread is the most urgent of its own and of those for whom it works.
//
// A look costs O(callers that wait * CPUs). This goes by who really waits for whom, not by what the policy has been told.
#pragma once

#include "policy.hpp"
#include "world.hpp"

namespace sim {

class InversionWatch {
public:
    InversionWatch(World& world, const sched::Policy& policy) : world_(world), policy_(policy) {}

    // After each step: nothing changes until the next.
    void look();

private:
    [[nodiscard]] static SimThread* worker_for(SimThread& caller);
    void find_claims();
    [[nodiscard]] const SimThread& claim_of(const SimThread& thread) const;
    [[nodiscard]] bool is_deprived(const SimThread& worker) const;
    void check(const SimThread& worker) const;

    World& world_;
    const sched::Policy& policy_;
    std::uint64_t epoch_ = 0;
    std::uint64_t looked_ns_ = 0;
    std::vector<SimThread*> workers_, inverted_;
};

}  // namespace sim
