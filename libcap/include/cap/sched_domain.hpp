// SPDX-License-Identifier: MIT
//
// Capability to a scheduling domain: what a scheduler server needs. docs/scheduling.md is the protocol.
#pragma once

#include "abi/sched.hpp"
#include "cap/capability.hpp"
#include "cap/process.hpp"

#include <cstdint>

namespace cap {

class SchedDomain : public Capability {
public:
    using Capability::Capability;

    // Makes the caller's process the server; maps kStatusTablePages, read-only, at `table_address`, and, unless 0, the
    // hints, kHintPages, at `hints_address`. -> the domain's number, as the lines have it.
    [[nodiscard]] Result<std::uint16_t> attach(std::uint64_t table_address,
                                               std::uint64_t hints_address = 0) const;
    [[nodiscard]] Result<void> detach() const;
    // `thread` was created and not started; its kEventRingPages event ring is mapped at `event_ring_address`.
    [[nodiscard]] Result<void> add_agent(Thread thread, std::uint32_t cpu,
                                         std::uint64_t event_ring_address) const;
    // The domain's CPUs as a mask.
    [[nodiscard]] Result<std::uint64_t> cpus() const {
        const auto reply = cap_call(slot(), abi::Op::kGetCpus);
        if (reply.result < 0) return fail(static_cast<abi::Error>(reply.result));
        return reply.result2;
    }

    // The domain loses that CPU, and has it again: done when cpus() says so.
    [[nodiscard]] Result<void> take_cpu(std::uint32_t cpu) const;
    [[nodiscard]] Result<void> return_cpu(std::uint32_t cpu) const;

    // A domain that is this one's child, without CPUs. It has one that is lent to it when its cpus() says so, and this one again
    // what it has reclaimed.
    [[nodiscard]] Result<SchedDomain> create_child() const;
    [[nodiscard]] Result<void> lend_cpu(std::uint32_t cpu, SchedDomain child) const;
    [[nodiscard]] Result<void> reclaim_cpu(std::uint32_t cpu) const;

    // What became of the wakes of the thread in this line of the status table, of one moment; all 0 if the line is free.
    // abi::kGoneThreads: of the domain's threads that have gone, together, as it comes while some are just going.
    [[nodiscard]] Result<abi::WakeLedger> wake_ledger(std::uint64_t line) const;

    // The calling agent's commit, unless `ref` is 0, and its wait for an event or a completion in its ring. -> how many completions
    // there are. A commit that is refused ends it at once; kTimedOut: nothing came in time.
    [[nodiscard]] Result<std::uint64_t> commit_and_wait(abi::ThreadRef ref, std::uint64_t commit_word,
                                                        std::uint64_t slice_ns,
                                                        std::uint64_t timeout_ns) const {
        return to_result(
            cap_call(slot(), abi::Op::kCommitAndWait, ref.raw(), commit_word, slice_ns, timeout_ns).result);
    }

    // One commit in a call of its own; agents put theirs into the ring instead, if they have several.
    [[nodiscard]] Result<void> commit(abi::ThreadRef ref, std::uint32_t sequence, std::uint32_t cpu,
                                      std::uint32_t flags, std::uint64_t slice_ns) const;
};

}  // namespace cap
