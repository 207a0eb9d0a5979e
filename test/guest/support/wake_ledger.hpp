// SPDX-License-Identifier: MIT
//
// WakeLedgerCheck: the wakes of all threads, looked at again and again while they go on. At each look at each line, what
// became of its thread's wakes is as much as there were, in the end: a wake that is just being counted is in `wakes` first,
// so a difference that stays is a wake that was lost from the books, and one below zero a wake that was settled twice.
// docs/scheduling.md, "The wake ledger".
#pragma once

#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/sibling.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace test {

// What is settled of them.
constexpr std::uint64_t settled(const abi::WakeLedger& ledger) {
    return ledger.hinted + ledger.committed + ledger.by_kernel + ledger.cancelled + ledger.coalesced +
           ledger.direct;
}
constexpr bool is_owed(const abi::WakeLedger& ledger) { return abi::ThreadWord{ledger.word}.wake_owed(); }

class WakeLedgerCheck {
public:
    // `domain`: a capability with kRead; the calls are made by whoever calls.
    WakeLedgerCheck(cap::SchedDomain domain, const cap::Clock& clock) : domain_(domain), clock_(clock) {}

    // Looks at every line that was used, and at those that have gone, once. False: something is wrong, and stays so.
    bool look();
    // The same, and no wake is owed to a thread of the domain: once all that was to happen has happened.
    bool look_at_rest();
    // For a thread of its own: looks until it is killed, or something is wrong. `argument`: the check.
    static std::uint64_t look_always(cap::Ring& ring, void* argument);

    [[nodiscard]] std::uint64_t looks() const { return looks_.load(); }
    // How often a thread was seen that had a wake to be placed.
    [[nodiscard]] std::uint64_t seen_owed() const { return seen_owed_.load(); }
    [[nodiscard]] bool good() const { return !wrong_.load(); }
    // The case fails, if something is wrong: says what.
    void report(Case& t) const;

private:
    bool look_at(std::uint64_t line, bool rest);
    void complain(std::uint64_t line, const abi::WakeLedger& ledger);

    cap::SchedDomain domain_;
    const cap::Clock& clock_;
    std::uint64_t used_ = 0;  // no line at or above it was, as far as seen; of whoever looks
    std::atomic<std::uint64_t> looks_{0}, seen_owed_{0};
    std::atomic<bool> wrong_{false};
    std::uint64_t wrong_line_ = 0;  // written before `wrong_`, by the first
    abi::WakeLedger wrong_ledger_{};
    std::atomic<bool> complained_{false};
};

}  // namespace test
