// SPDX-License-Identifier: MIT
// Commits: the server's decisions. The checks, their order, and what a refusal changes: docs/scheduling.md.
#include "kernel/commit_batch.hpp"
#include "kernel/inbox_records.hpp"

namespace cox {

using abi::Error;
using abi::ThreadState;

namespace {

constexpr std::uint64_t kFlagBits = abi::kCommitHead | abi::kCommitPreempt | abi::kCommitRecall;

std::uint32_t cpu_of(std::uint64_t commit) { return commit >> 32 & 0xff; }
std::uint64_t flags_of(std::uint64_t commit) { return commit >> 40; }

// A placement that succeeded has its record already, from before the other CPU could act on it.
void trace_outcome(abi::ThreadRef ref, std::uint64_t commit, const core::Result<void>& outcome) {
    if (!outcome)
        trace(core::TraceEvent::kRefuse, {}, ref.raw(), static_cast<std::uint64_t>(outcome.error()));
    else if (flags_of(commit) & abi::kCommitRecall)
        trace(core::TraceEvent::kRecall, ref);
}

}  // namespace

bool SchedDomain::place_plainly(Cpu& self, std::uint64_t now, abi::ThreadRef ref, std::uint64_t commit,
                                std::uint64_t slice_ns) {
    const std::uint32_t cpu = cpu_of(commit);
    if (flags_of(commit) || !has_cpu(static_cast<std::uint8_t>(cpu))) return false;
    Thread* const thread = hold_thread(ref);
    if (!thread) return false;
    const auto word = thread->word().load();
    if (thread->domain != this || word.sequence() != sequence_of(commit) || !thread->allowed_on(cpu) ||
        !thread->word().place(word, cpu).done) {
        thread->release();
        return false;
    }
    ask_misfit(*thread, cpu);
    if (word.wake_owed()) WakeCounts::add(thread->wake_counts.committed);
    (word.cpu() == self.number ? self : online_cpus()[word.cpu()])
        .unplaced_here.fetch_sub(1, std::memory_order_relaxed);
    thread->slice = slice_ticks(slice_ns);
    thread->place_flags = 0;
    ++self.stats.commits_accepted;
    if (cpu == self.number)
        accept_placed(self, *thread, now);
    else
        hand_over(cpu, *thread);
    return true;
}

// A server that is lost in the middle is seen afterwards, as if that had come a moment later.
std::uint32_t SchedDomain::commit_plainly(Thread& caller, std::uint32_t limit) {
    // Operation, flags, nothing reserved, in one word.
    constexpr auto kHead = static_cast<std::uint64_t>(abi::Op::kCommit) | std::uint64_t{abi::kQuietSuccess}
                                                                              << 16;
    const std::uint64_t slot = known_slot.load();  // the server's: become_server
    Cpu& self = this_cpu();
    if (slot == 0 || !takes_commits(*caller.process) || !has_cpu(static_cast<std::uint8_t>(self.number)))
        return 0;
    Batch batch(*this, self);
    std::uint32_t others = 0;
    const auto passed = caller.ring.pass_while(limit, [&](const volatile abi::Submission& entry) {
        const auto head = *reinterpret_cast<const volatile std::uint64_t*>(&entry);
        if (head != kHead || entry.slot != slot) return false;
        const std::uint64_t ref = entry.args[0], commit = entry.args[1], slice_ns = entry.args[2];
        const auto named = abi::ThreadRef::from_raw(ref);
        if (batch.place(named, commit, slice_ns)) [[likely]]
            return true;
        const bool placed = place_plainly(self, batch.now, named, commit, slice_ns);
        others += placed;
        return placed;
    });
    batch.count(passed - others);
    return passed;
}

core::Result<void> SchedDomain::commit(const Process& server, abi::ThreadRef ref, std::uint64_t commit,
                                       std::uint64_t slice_ns) {
    const auto outcome = decide(server, ref, commit, slice_ns);
    auto& stats = this_cpu().stats;
    ++(outcome ? stats.commits_accepted : stats.commits_refused);
    if (tracing(core::kTraceCommit)) trace_outcome(ref, commit, outcome);
    return outcome;
}

core::Result<void> SchedDomain::decide(const Process& server, abi::ThreadRef ref, std::uint64_t commit,
                                       std::uint64_t slice_ns) {
    if (server_.load() != &server || !attached()) return core::fail(Error::kNotAttached);
    const auto thread = find_thread(ref);
    if (!thread) return core::fail(Error::kStaleRef);
    if (thread->domain != this) return core::fail(Error::kNotInDomain);
    const auto word = thread->word().load();
    switch (word.state()) {
        case ThreadState::kUnplaced:
            if (flags_of(commit) & abi::kCommitRecall) return {};  // it is where it shall be
            break;
        case ThreadState::kRunning:
        case ThreadState::kQueued:
            if (flags_of(commit) & abi::kCommitRecall) return recall(*thread);
            return core::fail(Error::kRunningElsewhere);
        case ThreadState::kGone:
        case ThreadState::kFree: return core::fail(Error::kGone);
        default: return core::fail(Error::kNotRunnable);
    }
    const auto placed = place(*thread, word, commit, slice_ns);
    // Refused, and still for the server to place: it hears of the thread again.
    if (!placed) post_event(thread->ref.index, word.cpu());
    return placed;
}

core::Result<void> SchedDomain::place(Thread& thread, abi::ThreadWord word, std::uint64_t commit,
                                      std::uint64_t slice_ns) {
    if (word.sequence() != sequence_of(commit)) return core::fail(Error::kStaleSequence);
    if (!has_cpu(static_cast<std::uint8_t>(cpu_of(commit))) || flags_of(commit) & ~kFlagBits)
        return core::fail(Error::kCpuNotYours);
    if (!thread.allowed_on(cpu_of(commit))) return core::fail(Error::kAffinity);
    const auto placed = thread.word().place(word, cpu_of(commit));
    if (!placed.done) return core::fail(Error::kStaleSequence);
    if (word.wake_owed()) WakeCounts::add(thread.wake_counts.committed);
    left_unplaced(word);
    thread.slice = slice_ticks(slice_ns);
    thread.place_flags = static_cast<std::uint32_t>(flags_of(commit));
    if (tracing(core::kTraceCommit))
        trace(core::TraceEvent::kCommit, thread.ref, placed.word.raw, thread.place_flags | thread.slice << 8);
    enqueue_on(cpu_of(commit), thread);
    return {};
}

core::Result<void> SchedDomain::recall(Thread& thread) {
    if (const auto asked = thread.word().request(abi::kRequestRecall); asked.done)
        send_request(thread, asked.word.cpu());
    else if (asked.word.state() == ThreadState::kGone)
        return core::fail(Error::kGone);
    else if (asked.word.state() != ThreadState::kUnplaced)
        return core::fail(Error::kNotRunnable);
    return {};
}

}  // namespace cox
