// SPDX-License-Identifier: MIT
// Commits: the server's decisions. The checks, their order, and what a refusal changes: docs/scheduling.md.
#include "kernel/cpu.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/trace.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;
using abi::ThreadState;

namespace {

constexpr std::uint64_t kFlagBits = abi::kCommitHead | abi::kCommitPreempt | abi::kCommitRecall;

std::uint32_t sequence_of(std::uint64_t commit) { return static_cast<std::uint32_t>(commit); }
std::uint32_t cpu_of(std::uint64_t commit) { return commit >> 32 & 0xff; }
std::uint64_t flags_of(std::uint64_t commit) { return commit >> 40; }

}  // namespace

core::Result<void> SchedDomain::commit(Process& server, abi::ThreadRef ref, std::uint64_t commit,
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
    if (cpu_of(commit) >= online_cpus().size() || flags_of(commit) & ~kFlagBits)
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
