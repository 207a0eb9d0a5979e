// SPDX-License-Identifier: MIT
#include "kernel/wake_ledger.hpp"

#include "kernel/thread.hpp"

namespace cox {

void WakeCounts::read(abi::WakeLedger& into) const {
    into.hinted = hinted.load(std::memory_order_acquire);
    into.committed = committed.load(std::memory_order_acquire);
    into.by_kernel = by_kernel.load(std::memory_order_acquire);
    into.cancelled = cancelled.load(std::memory_order_acquire);
    into.coalesced = coalesced.load(std::memory_order_acquire);
    into.direct = direct.load(std::memory_order_acquire);
}

bool read_ledger(Thread& thread, abi::WakeLedger& into) {
    into.word = thread.word().load().raw;
    into.ref = thread.ref.raw();
    thread.wake_counts.read(into);
    into.wakes = thread.line.wakes.load(std::memory_order_acquire) + into.direct;
    return thread.word().load().raw == into.word;
}

// What is settled goes last, and is read first, as in a thread.
void GoneWakes::add(const Thread& gone) {
    abi::WakeLedger last{};
    gone.wake_counts.read(last);
    wakes_.fetch_add(gone.line.wakes.load(std::memory_order_relaxed), std::memory_order_relaxed);
    counts_.hinted.fetch_add(last.hinted, std::memory_order_release);
    counts_.committed.fetch_add(last.committed, std::memory_order_release);
    counts_.by_kernel.fetch_add(last.by_kernel, std::memory_order_release);
    counts_.cancelled.fetch_add(last.cancelled, std::memory_order_release);
    counts_.coalesced.fetch_add(last.coalesced, std::memory_order_release);
    counts_.direct.fetch_add(last.direct, std::memory_order_release);
}

void GoneWakes::read(abi::WakeLedger& into) const {
    counts_.read(into);
    into.wakes = wakes_.load(std::memory_order_relaxed) + into.direct;
}

}  // namespace cox
