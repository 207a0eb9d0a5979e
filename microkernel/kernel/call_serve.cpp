// SPDX-License-Identifier: MIT
// kCommitAndWait: the end of an agent's round, without its ring: one decision, and the wait for the next event.
#include "kernel/calls.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

using abi::Error;

namespace {

// Whose agent it is, if it is one.
SchedDomain& domain_of(const Thread& thread) { return *thread.agent_of.load(std::memory_order_relaxed); }

[[gnu::always_inline]] inline CallResult commit_and_wait(Thread& agent, std::uint64_t ref,
                                                         std::uint64_t commit, std::uint64_t slice_ns,
                                                         std::uint64_t timeout_ns) {
    if (ref != 0) {
        const auto named = abi::ThreadRef::from_raw(ref);
        SchedDomain& domain = domain_of(agent);
        if (!domain.commit_plainly(*agent.process, named, commit, slice_ns)) {
            const auto outcome = domain.commit(*agent.process, named, commit, slice_ns);
            if (!outcome) return failed(outcome.error());
        }
    }
    if (timeout_ns == 0) return failed(Error::kTimedOut);
    agent.enter = {Thread::kForEvents, 0, timeout_ns, kNever};
    leave_to_do(kWaitForEvents);
    return {0, 0};
}

bool is_agent(const Thread& thread) { return domain_of(thread).is_agent_of(thread, this_cpu().number); }

// By a slot that is not known yet; or refused.
[[gnu::noinline]] CallResult commit_and_wait_further(std::uint64_t slot, std::uint64_t op, std::uint64_t ref,
                                                     std::uint64_t commit, std::uint64_t slice_ns,
                                                     std::uint64_t timeout_ns) {
    Thread& thread = current_thread();
    if (!is_agent(thread) || !thread.process->caps.recall(abi::CapSlot::from_raw(slot), domain_of(thread)))
        [[clang::musttail]]
        return call_any(slot, op, ref, commit, slice_ns, timeout_ns);
    return commit_and_wait(thread, ref, commit, slice_ns, timeout_ns);
}

}  // namespace

CallResult call_commit_and_wait(std::uint64_t slot, std::uint64_t op, std::uint64_t ref, std::uint64_t commit,
                                std::uint64_t slice_ns, std::uint64_t timeout_ns) {
    Thread& thread = current_thread();
    if (!is(op, abi::Op::kCommitAndWait)) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, ref, commit, slice_ns, timeout_ns);
    // Only the server's slot is ever known (SchedDomain::become_server), and its agents are its threads.
    if (!CapTable::knows(abi::CapSlot::from_raw(slot), domain_of(thread)) || !is_agent(thread)) [[unlikely]]
        [[clang::musttail]] return commit_and_wait_further(slot, op, ref, commit, slice_ns, timeout_ns);
    return commit_and_wait(thread, ref, commit, slice_ns, timeout_ns);
}

}  // namespace cox
