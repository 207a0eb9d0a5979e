// SPDX-License-Identifier: MIT
//
// Domains that a test makes, and CPUs that it lends to them. docs/domains.md.
#pragma once

#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/owned.hpp"
#include "support/patience.hpp"

#include <bit>
#include <cstdint>

namespace test {

inline cap::SchedDomain root_domain(const Case& t) {
    return t.env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain());
}

inline cap::Result<Owned<cap::SchedDomain>> make_child(cap::SchedDomain parent) {
    return Owned(TRY(parent.create_child()));
}

inline bool has(cap::SchedDomain domain, std::uint32_t cpu) { return domain.cpus().value_or(0) >> cpu & 1; }

// CPUs that are lent, each waited for; at the end of the scope the lender has them again, and all that he has lent besides.
class Loans {
public:
    Loans(Case& t, cap::SchedDomain lender, std::uint64_t cpus, cap::SchedDomain child)
        : t_(t), lender_(lender), child_(child), cpus_(cpus) {
        for (std::uint64_t left = cpus; left != 0; left &= left - 1) {
            const auto lent = lender.lend_cpu(static_cast<std::uint32_t>(std::countr_zero(left)), child);
            if (!lent) {
                t.fail("cpu {} cannot be lent: {}", std::countr_zero(left), lent.error());
            }
        }
        if (!has_come()) {
            t.fail("a cpu does not come to its domain");
        }
    }
    Loans(const Loans&) = delete;
    Loans& operator=(const Loans&) = delete;
    ~Loans() {
        for (std::uint32_t cpu = 0; cpu < t_.cpus(); ++cpu) {
            if (lender_.reclaim_cpu(cpu) && !eventually(t_.env.clock, [&] { return has(lender_, cpu); })) {
                t_.fail("cpu {} does not come back", cpu);
            }
        }
    }
    [[nodiscard]] bool has_come() const {
        return eventually(t_.env.clock, [&] { return (child_.cpus().value_or(0) & cpus_) == cpus_; });
    }

private:
    Case& t_;
    cap::SchedDomain lender_, child_;
    std::uint64_t cpus_;
};

}  // namespace test
