// SPDX-License-Identifier: MIT
#include "support/wake_ledger.hpp"

#include "support/patience.hpp"

#include <algorithm>

namespace test {

bool WakeLedgerCheck::look_at(std::uint64_t line, bool rest) {
    abi::WakeLedger ledger{};
    bool bad = false;
    const bool even = eventually(clock_, [&] {
        const auto read = domain_.wake_ledger(line);
        if (!read) {
            bad = true;
            return true;
        }
        ledger = *read;
        const std::uint64_t accounted = settled(ledger) + (is_owed(ledger) ? 1 : 0);
        bad = accounted > ledger.wakes;
        return bad || (accounted == ledger.wakes && !(rest && is_owed(ledger)));
    });
    seen_owed_ += is_owed(ledger);
    if (line < abi::kMaxThreads && ledger.ref != 0) {
        used_ = std::max(used_, line + 1);
    }
    if (bad || !even) {
        complain(line, ledger);
    }
    return even && !bad;
}

void WakeLedgerCheck::complain(std::uint64_t line, const abi::WakeLedger& ledger) {
    if (!complained_.exchange(true)) {
        wrong_line_ = line;
        wrong_ledger_ = ledger;
        wrong_ = true;
    }
}

bool WakeLedgerCheck::look() {
    bool good = look_at(abi::kGoneThreads, false);
    // New lines are taken in order, so what is used beyond is seen next time.
    constexpr std::uint64_t kBeyond = 64;
    for (std::uint64_t line = 0; good && line < std::min<std::uint64_t>(used_ + kBeyond, abi::kMaxThreads);
         ++line) {
        good = look_at(line, false);
    }
    ++looks_;
    return good;
}

bool WakeLedgerCheck::look_at_rest() {
    bool good = look_at(abi::kGoneThreads, true);
    for (std::uint64_t line = 0; good && line < abi::kMaxThreads; ++line) {
        good = look_at(line, true);
    }
    return good;
}

std::uint64_t WakeLedgerCheck::look_always(cap::Ring&, void* argument) {
    auto& check = *static_cast<WakeLedgerCheck*>(argument);
    while (check.look()) {
        sleep_ns(kMillisecond);  // others want the CPU, too
    }
    return 1;
}

void WakeLedgerCheck::report(Case& t) const {
    if (wrong_) {
        const abi::WakeLedger& l = wrong_ledger_;
        t.fail(
            "ledger: line {}: of {} wakes {} are hinted, {} committed, {} by_kernel, {} cancelled, {} "
            "coalesced, {} "
            "owed; state {}",
            wrong_line_, l.wakes, l.hinted, l.committed, l.by_kernel, l.cancelled, l.coalesced,
            static_cast<unsigned>(is_owed(l)), static_cast<unsigned>(abi::ThreadWord{l.word}.state()));
    }
}

}  // namespace test
