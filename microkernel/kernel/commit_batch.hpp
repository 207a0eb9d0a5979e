// SPDX-License-Identifier: MIT
// The common case of a commit, in place for both ways in which commits come: several in a ring (commit.cpp), and one with the agent's wait
// (call_serve.cpp).
#pragma once
#include "kernel/cpu.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/trace.hpp"
#include "kernel/wake.hpp"

namespace cox {

// The sequence number that the commit expects.
inline std::uint32_t sequence_of(std::uint64_t commit) { return static_cast<std::uint32_t>(commit); }

[[gnu::always_inline]] inline std::uint64_t slice_of_commit(Cpu& self, std::uint64_t slice_ns) {
    if (slice_ns != self.slice_before_ns) [[unlikely]]
        self.slice_before = slice_ticks(self.slice_before_ns = slice_ns);
    return self.slice_before;
}

[[gnu::always_inline]] inline bool SchedDomain::takes_commits(const Process& server) const {
    return server_.load() == &server && attached() && !tracing(core::kTraceCommit);
}

// What holds for every commit of a batch is looked at once: whether this CPU is the domain's changes here alone, so not meanwhile. What is
// counted is counted at the end, still in the kernel and with kQueued set, so that the watchdog's part of leaving it sees it.
struct SchedDomain::Batch {
    Batch(SchedDomain& its_domain, Cpu& here) : domain(its_domain), self(here), number(here.number) {}

    // So many were placed by place().
    void count(std::uint32_t placed) {
        if (placed == 0) return;
        self.stats.commits_accepted += placed;
        self.unplaced_here.fetch_sub(static_cast<std::int32_t>(placed), std::memory_order_relaxed);
        self.exit_work |= kQueued;
    }

    // On this CPU, where the thread was last, too. No reference is taken before it is placed: the word is read first, and is still that
    // word when it is changed, so in between its thread was alive, and the one that was looked at; then it is queued, and goes nowhere
    // but by this CPU. False: nothing has changed, and place_plainly() sees to it.
    [[gnu::always_inline]] bool place(abi::ThreadRef ref, std::uint64_t commit, std::uint64_t slice_ns) {
        if (commit >> 32 != number || ref.index >= known) return false;  // another CPU, or flags
        Thread& thread = detail::thread_slot(ref.index);
        abi::StatusLine& line =
            status_line(ref.index);  // the thread's own, which may be only just being made
        core::ThreadStateWord state(line.word);
        const auto word = state.load();
        if (thread.ref != ref || thread.domain != &domain || word.sequence() != sequence_of(commit) ||
            !(line.affinity.load(std::memory_order_relaxed) & bit) ||
            !state.place_again(word, number, to).done)
            return false;
        if (!(line.affinity.load(std::memory_order_relaxed) & bit)) [[unlikely]]
            ask_misfit(thread, number);
        if (word.wake_owed()) WakeCounts::add(thread.wake_counts.committed);
        thread.slice = slice_of_commit(self, slice_ns);
        thread.retain();
        accept_in_batch(self, thread, now);
        return true;
    }

    SchedDomain& domain;
    Cpu& self;
    const std::uint32_t number;
    const std::uint64_t bit = self.own_bit;
    const std::uint64_t to = core::ThreadStateWord::queued_by_commit(number);
    const std::uint32_t known = detail::high_water.load(std::memory_order_acquire);
    const std::uint64_t now = arch::rdtsc();
};

// The same of one commit, for this CPU, whose queue is empty and whose switches are direct: the thread is running in its word, and the
// caller has its reference. It is to be switched to if it `fits`, or given to take_back(): its affinity
// may have changed just before its word did. nullptr: nothing has changed.
[[gnu::always_inline]] inline Thread* SchedDomain::run_plainly(Cpu& self, abi::ThreadRef ref,
                                                               std::uint64_t commit, std::uint64_t slice_ns,
                                                               bool& fits) {
    const std::uint32_t number = self.number;
    if (commit >> 32 != number || ref.index >= detail::high_water.load(std::memory_order_acquire))
        return nullptr;
    Thread& thread = detail::thread_slot(ref.index);
    abi::StatusLine& line = status_line(ref.index);
    core::ThreadStateWord state(line.word);
    const auto word = state.load();
    if (thread.ref != ref || thread.domain != this || word.sequence() != sequence_of(commit) ||
        !(line.affinity.load(std::memory_order_relaxed) & self.own_bit) ||
        !state.place_and_dispatch(word, self.runs_word).done)
        return nullptr;
    fits = line.affinity.load(std::memory_order_relaxed) & self.own_bit;
    if (word.wake_owed()) WakeCounts::add(thread.wake_counts.committed);
    thread.slice = slice_of_commit(self, slice_ns);
    thread.slice_used = thread.turn_used = 0;
    thread.resume &= ~Thread::kInterrupted;
    thread.retain();
    ++self.stats.commits_accepted;
    self.unplaced_here.fetch_sub(1, std::memory_order_relaxed);
    return &thread;
}

[[gnu::always_inline]] inline bool SchedDomain::commit_plainly(const Process& server, abi::ThreadRef ref,
                                                               std::uint64_t commit, std::uint64_t slice_ns) {
    if (!takes_commits(server)) return false;
    Cpu& self = this_cpu();
    Batch batch(*this, self);
    if (!has_cpu(static_cast<std::uint8_t>(self.number)) || !batch.place(ref, commit, slice_ns))
        return place_plainly(self, batch.now, ref, commit, slice_ns);
    batch.count(1);
    return true;
}

}  // namespace cox
