// SPDX-License-Identifier: MIT
// The table of all domains, and which CPUs they have lent to each other (docs/domains.md).
//
// For each CPU the loans make a chain from the root domain on, `lent_to`: whose the CPU shall be is whoever stands at its end, or
// nobody if that one's was taken. It is found under the one lock, left in the CPU's `wanted_domain`, and the CPU is made to look. So it
// makes no difference for a reclaim how often the CPU has been lent on.
//
// A place in the table is free again when nobody refers to its domain, so that no thread and no agent of it is left, and when the last CPU
// has left it: `ended` and `users` change under the lock, so one of the two who make that true finds both.
#include <bit>
#include <memory>

#include "kernel/cpu.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/quota.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

using abi::Error;

constinit SpinLock loan_lock{LockRank::kLoans};

namespace {

std::uint64_t bit_of(std::uint64_t cpu) { return std::uint64_t{1} << cpu; }

void make_look(std::uint64_t cpus) {
    for (; cpus; cpus &= cpus - 1) send_attention(online_cpus()[std::countr_zero(cpus)]);
}

}  // namespace

// From the chain of its loans.
void SchedDomain::want(std::uint64_t cpu) {
    SchedDomain* owner = &root_domain;
    while (SchedDomain* const next = owner->loans_.lent_to[cpu]) owner = next;
    online_cpus()[cpu].wanted_domain.store(owner->loans_.taken & bit_of(cpu) ? nullptr : owner);
}

// It is not this domain's any more, nor theirs to whom it was lent on.
void SchedDomain::end_loan(std::uint64_t cpu) {
    for (SchedDomain* each = std::exchange(loans_.lent_to[cpu], nullptr); each;
         each = std::exchange(each->loans_.lent_to[cpu], nullptr)) {
        each->loans_.entitled &= ~bit_of(cpu);
        each->loans_.taken &= ~bit_of(cpu);
    }
    want(cpu);
}

bool SchedDomain::has(std::uint64_t cpu) const {
    return (loans_.entitled & ~loans_.taken) >> cpu & 1 && !loans_.lent_to[cpu];
}

void SchedDomain::open_root() {
    publish(1);  // for good
    SpinGuard guard(loan_lock);
    loans_.in_use = true;
    loans_.entitled = online_mask();
    for (Cpu& cpu : online_cpus()) {
        cpu.domain = this;
        cpu.wanted_domain = this;
        cpu.direct_domain = domains + abi::kMaxDomains;
        ++loans_.users;
    }
}

core::Result<RefPtr<SchedDomain>> SchedDomain::create_child(Quota& payer) {
    SchedDomain* child = nullptr;
    {
        SpinGuard guard(loan_lock);
        for (SchedDomain& place : domains) {
            if (place.loans_.in_use) continue;
            child = &place;
            child->loans_.in_use = true;
            break;
        }
    }
    if (!child) return core::fail(Error::kNoSlot);
    auto hints = MemoryObject::create(payer, abi::kHintPages);
    if (!hints) {
        SpinGuard guard(loan_lock);
        child->loans_.in_use = false;
        return core::fail(hints.error());
    }
    child->hints_ = std::move(*hints);
    child->parent_ = RefPtr(*this);
    child->payer_ = RefPtr(payer);
    child->publish(1);
    return RefPtr<SchedDomain>::adopt(child);
}

core::Result<void> SchedDomain::lend_cpu(std::uint64_t cpu, SchedDomain& child) {
    if (child.parent_.get() != this) return core::fail(Error::kBadArgument);
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    {
        SpinGuard guard(loan_lock);
        if (!has(cpu)) return core::fail(Error::kWrongState);
        loans_.lent_to[cpu] = &child;
        child.loans_.entitled |= bit_of(cpu);
        want(cpu);
    }
    make_look(bit_of(cpu));
    return {};
}

core::Result<void> SchedDomain::reclaim_cpu(std::uint64_t cpu) {
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    {
        SpinGuard guard(loan_lock);
        if (!loans_.lent_to[cpu]) return core::fail(Error::kWrongState);
        end_loan(cpu);
    }
    make_look(bit_of(cpu));
    return {};
}

core::Result<void> SchedDomain::take_cpu(std::uint64_t cpu) {
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    {
        SpinGuard guard(loan_lock);
        if (!has(cpu)) return core::fail(Error::kWrongState);
        bool another = false;
        for (std::uint32_t i = 0; i < online_cpus().size(); ++i) another |= i != cpu && has(i);
        if (!another) return core::fail(Error::kBadArgument);
        loans_.taken |= bit_of(cpu);
        want(cpu);
    }
    make_look(bit_of(cpu));
    return {};
}

core::Result<void> SchedDomain::return_cpu(std::uint64_t cpu) {
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    {
        SpinGuard guard(loan_lock);
        if (!(loans_.taken & bit_of(cpu))) return core::fail(Error::kWrongState);
        loans_.taken &= ~bit_of(cpu);
        want(cpu);
    }
    make_look(bit_of(cpu));
    return {};
}

// If that has changed since the CPU looked, it is just being made to look again.
void SchedDomain::join_wanted(Cpu& cpu) {
    SchedDomain* wanted;
    {
        SpinGuard guard(loan_lock);
        wanted = cpu.wanted_domain.load();
        if (!wanted || (cpu.leaves && cpu.leaves != wanted)) return;
        if (!cpu.leaves) ++wanted->loans_.users;
    }
    wanted->join(cpu);
}

void SchedDomain::stop_using() {
    bool last;
    {
        SpinGuard guard(loan_lock);
        last = --loans_.users == 0 && loans_.ended;
    }
    if (last) close();
}

// Nobody refers to it: its CPUs go back to its parent.
void SchedDomain::destroy() {
    std::uint64_t lent;
    bool unused;
    {
        SpinGuard guard(loan_lock);
        lent = loans_.entitled;
        for (auto left = lent; left; left &= left - 1) parent_->end_loan(std::countr_zero(left));
        loans_.ended = true;
        unused = loans_.users == 0;
    }
    make_look(lent);
    if (unused) close();
}

// What it had is given back, and everything is as if the place had never been used.
void SchedDomain::close() {
    COX_ASSERT(!server_.load() && !agent_mask_.load());
    for (Agent& agent : agents_) {
        agent.ring.reset();
        agent.header = nullptr;
        agent.memory = {};
    }
    for (core::EventToken& token : tokens_) token.store(core::EventToken::kNone);
    std::construct_at(&gone_wakes_);
    known_slot.store(0);
    hints_ = {};
    payer_ = {};
    const auto parent = std::move(parent_);  // released when the place is free
    SpinGuard guard(loan_lock);
    loans_.ended = loans_.in_use = false;
}

}  // namespace cox
