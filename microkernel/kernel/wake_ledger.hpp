// SPDX-License-Identifier: MIT
// The wake ledger: what became of each wake of a thread (docs/scheduling.md, "The wake ledger"). It is counted in the thread, by
// the CPU that has just made the transition, so a server that dies takes no count with it.
//
// Who writes a count:
//   wakes (in the status line)     whoever wakes, before the transition: so `wakes` is never behind the others
//   hinted, committed, by_kernel   whoever has moved the thread to queued, until it hands it to its CPU: nobody else can move it
//   direct                         whoever has moved the thread to running; in no other count, and added to `wakes` by who reads
//   cancelled, coalesced           anyone, so these are read-modify-writes
// Each is stored with release after the transition that it is about, and read with acquire before `wakes` (WakeCounts::read), so
// whoever sees a wake as settled sees it in `wakes`, too.
#pragma once
#include <atomic>

#include "abi/sched.hpp"

namespace cox {

class Thread;

struct WakeCounts {
    using Count = std::atomic<std::uint64_t>;
    Count hinted{0}, committed{0}, by_kernel{0}, cancelled{0}, coalesced{0}, direct{0};

    // Of one that has a single writer at a time.
    static void add(Count& count) {
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    void read(abi::WakeLedger& into) const;
};

// True: the thread has not moved meanwhile, so it is all of one moment.
bool read_ledger(Thread& thread, abi::WakeLedger& into);

// The sums of a domain's threads that have gone, and whose lines are free again.
class GoneWakes {
public:
    void add(const Thread& gone);
    void read(abi::WakeLedger& into) const;

private:
    WakeCounts::Count wakes_{0};
    WakeCounts counts_;
};

}  // namespace cox
