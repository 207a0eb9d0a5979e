// SPDX-License-Identifier: MIT
// kCommitAndWait: the end of an agent's round, without its ring: one decision, and the wait for the next event.
#include "kernel/calls.hpp"
#include "kernel/commit_batch.hpp"

namespace cox {

using abi::Error;

namespace {

// Whose agent it is, if it is one.
SchedDomain& domain_of(const Thread& thread) { return *thread.agent_of.load(std::memory_order_relaxed); }

// -> 0, or why not. Also what is not the common case (commit_plainly).
[[gnu::noinline]] std::int64_t commit(const Thread& agent, std::uint64_t ref, std::uint64_t word,
                                      std::uint64_t slice_ns) {
    const auto outcome =
        domain_of(agent).commit(*agent.process, abi::ThreadRef::from_raw(ref), word, slice_ns);
    return outcome ? 0 : static_cast<std::int64_t>(outcome.error());
}

CallResult wait(Thread& agent, std::uint64_t timeout_ns) {
    if (timeout_ns == 0) return failed(Error::kTimedOut);
    agent.enter = {Thread::kForEvents, 0, timeout_ns, kNever};
    leave_to_do(kWaitForEvents);
    return {0, 0};
}

[[gnu::noinline]] CallResult commit_first(std::uint64_t, std::uint64_t, std::uint64_t ref, std::uint64_t word,
                                          std::uint64_t slice_ns, std::uint64_t timeout_ns) {
    Thread& agent = current_thread();
    if (!domain_of(agent).commit_plainly(*agent.process, abi::ThreadRef::from_raw(ref), word, slice_ns))
        if (const auto error = commit(agent, ref, word, slice_ns)) return {error, 0};
    return wait(agent, timeout_ns);
}

// By a slot that is not known yet; or refused.
[[gnu::noinline]] CallResult commit_and_wait_further(std::uint64_t slot, std::uint64_t op, std::uint64_t ref,
                                                     std::uint64_t word, std::uint64_t slice_ns,
                                                     std::uint64_t timeout_ns) {
    Thread& agent = current_thread();
    SchedDomain& domain = domain_of(agent);
    if (!domain.is_agent_of(agent, this_cpu().number) ||
        !agent.process->caps.recall(abi::CapSlot::from_raw(slot), domain)) [[clang::musttail]]
        return call_any(slot, op, ref, word, slice_ns, timeout_ns);
    if (ref != 0)
        if (const auto error = commit(agent, ref, word, slice_ns)) return {error, 0};
    return wait(agent, timeout_ns);
}

}  // namespace

CallResult call_commit_and_wait(std::uint64_t slot, std::uint64_t op, std::uint64_t ref, std::uint64_t word,
                                std::uint64_t slice_ns, std::uint64_t timeout_ns) {
    Thread& agent = current_thread();
    SchedDomain& domain = domain_of(agent);
    if (!is(op, abi::Op::kCommitAndWait)) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, ref, word, slice_ns, timeout_ns);
    // Only the server's slot is ever known (SchedDomain::become_server), and its agents are its threads.
    if (!CapTable::knows(abi::CapSlot::from_raw(slot), domain) ||
        !domain.is_agent_of(agent, this_cpu().number)) [[unlikely]]
        [[clang::musttail]] return commit_and_wait_further(slot, op, ref, word, slice_ns, timeout_ns);
    if (ref == 0) return wait(agent, timeout_ns);
    if (timeout_ns != abi::kForever || something_to_do()) [[unlikely]]
        [[clang::musttail]] return commit_first(slot, op, ref, word, slice_ns, timeout_ns);
    // Left to do with the switch: `word` and `slice_ns` stand in the frame, and `ref` where a second result does.
    agent.enter = {Thread::kForEvents, 0, abi::kForever, kNever};
    leave_to_do(kCommitAndSwitch);
    return {0, ref};
}

bool commit_left_to_do(Thread& agent) {
    auto& f = agent.frame;
    const auto ref = std::exchange(f.rdx, 0);
    const bool done =
        domain_of(agent).commit_plainly(*agent.process, abi::ThreadRef::from_raw(ref), f.r10, f.r8);
    const auto error = done ? 0 : commit(agent, ref, f.r10, f.r8);
    f.rax = static_cast<std::uint64_t>(error);
    return error == 0;
}

}  // namespace cox
