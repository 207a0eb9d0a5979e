// SPDX-License-Identifier: MIT
//
// Several scheduling domains: CPUs that are lent, reclaimed and lent on; a server that is revoked; the end of a domain.
// docs/domains.md.
#include "support/domains.hpp"
#include "support/doors.hpp"
#include "support/observe.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::Op;
using abi::ThreadState;

void errors(Case& t) {
    const cap::SchedDomain root = root_domain(t);
    const auto child = MUST(t, make_child(root));
    const auto grandchild = MUST(t, make_child(*child));
    const auto refused = [&](Op op, const cap::SchedDomain& domain, std::uint64_t cpu,
                             std::uint64_t slot = 0) {
        const Error by_register = by_call({op, domain.slot(), {cpu, slot}});
        return by_ring(t.env, {op, domain.slot(), {cpu, slot}}) == by_register ? by_register : Error::kOk;
    };
    const std::uint64_t to_child = child->slot().raw();
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, 0, 0), Error::kBadSlot);
    {
        const auto gone = MUST(t, derive(*child, abi::kAllRights));
        const abi::CapSlot slot = gone->slot();
        gone->drop();
        REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, 0, slot.raw()), Error::kStaleSlot);
    }
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, 0, t.env.process.slot().raw()), Error::kWrongType);
    const auto unmanaged = MUST(t, derive(*child, abi::kAllRights & ~abi::kManage));
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, 0, unmanaged->slot().raw()), Error::kNoRight);
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, 0, root.slot().raw()), Error::kBadArgument);
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, 0, grandchild->slot().raw()), Error::kBadArgument);
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, *child, 0, to_child), Error::kBadArgument);
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, *child, 0, grandchild->slot().raw()), Error::kWrongState);
    for (const std::uint64_t cpu : {std::uint64_t{t.cpus()}, std::uint64_t{64}, ~std::uint64_t{0}}) {
        REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, cpu, to_child), Error::kCpuNotYours);
        REQUIRE_EQUAL(t, refused(Op::kReclaimCpu, root, cpu), Error::kCpuNotYours);
    }
    REQUIRE_EQUAL(t, refused(Op::kReclaimCpu, root, 0), Error::kWrongState);
    REQUIRE_EQUAL(t, refused(Op::kReturnCpu, *child, 0), Error::kWrongState);
    REQUIRE_EQUAL(t, refused(Op::kTakeCpu, *child, 0), Error::kWrongState);

    const Loans loan(t, root, only(0), *child);
    REQUIRE(t, loan.has_come());
    REQUIRE_EQUAL(t, refused(Op::kLendCpu, root, 0, to_child), Error::kWrongState);
    REQUIRE_EQUAL(t, refused(Op::kTakeCpu, root, 0), Error::kWrongState);
    REQUIRE_EQUAL(t, refused(Op::kReturnCpu, root, 0), Error::kWrongState);
    REQUIRE_EQUAL(t, refused(Op::kTakeCpu, *child, 0), Error::kBadArgument);  // its last
    if (t.cpus() > 1) {
        REQUIRE_OK(t, root.lend_cpu(1, *child));
        REQUIRE(t, eventually(t.env.clock, [&] { return has(*child, 1); }));
        REQUIRE_OK(t, child->take_cpu(0));
        REQUIRE(t, eventually(t.env.clock, [&] { return !has(*child, 0); }));
        REQUIRE_EQUAL(t, refused(Op::kLendCpu, *child, 0, grandchild->slot().raw()), Error::kWrongState);
        REQUIRE_OK(t, child->return_cpu(0));
        REQUIRE(t, loan.has_come());
    }
}

// As many as there can be; then one more, when one has gone.
void places(Case& t) {
    std::array<Owned<cap::SchedDomain>, abi::kMaxDomains - 1> all;
    for (int round = 0; round < 3; ++round) {
        for (auto& each : all) {
            each = MUST(t, make_child(root_domain(t)));
        }
        REQUIRE_ERROR(t, root_domain(t).create_child(), Error::kNoSlot);
        for (auto& each : all) {
            each = {};
        }
    }
}

// It is charged to who makes it, and returned.
void charged(Case& t) {
    const auto used = [&] { return t.env.process.quota_status()->memory_used; };
    {
        const auto first = MUST(t, make_child(root_domain(t)));
    }
    const std::uint64_t before = used();
    std::uint64_t most = 0;
    {
        const auto child = MUST(t, make_child(root_domain(t)));
        REQUIRE(t, used() >= before + abi::kHintPages * abi::kPageSize);
        const std::uint64_t made = used();
        {
            const DomainServer server(t, 1, *child);
            REQUIRE(t, !t.failed());
            most = used();
            REQUIRE(t, most >= made + abi::kEventRingPages * abi::kPageSize);
        }
    }
    // What the page tables that were needed cost stays.
    REQUIRE(t, eventually(t.env.clock, [&] {
                return used() <= most - (abi::kHintPages + abi::kEventRingPages) * abi::kPageSize;
            }));
    const std::uint64_t after = used();
    {
        const auto last = MUST(t, make_child(root_domain(t)));
    }
    REQUIRE_EQUAL(t, used(), after);
}

// Does an operation for the test, in a process of its own.
std::uint64_t does_as_told(Station& station, cap::Ring&) {
    const auto slot = abi::CapSlot::from_raw(station.values[0]);
    station.values[2] =
        static_cast<std::uint64_t>(cap::cap_call(slot, static_cast<Op>(station.values[1].load())).result);
    return 0;
}

// By a process that has less than it needs: then nothing is made.
void too_poor(Case& t) {
    const Owned quota(MUST(t, t.env.process.create_quota(4 << 20, 8)));
    Crew crew(t, {}, *quota);
    REQUIRE(t, !t.failed());
    const Worker& worker = crew.add({.main = does_as_told});
    worker.station->values[0] = MUST(t, crew.process().give(root_domain(t).slot(), abi::kManage)).raw();
    const auto had = MUST(t, quota->status());
    const Owned rest(MUST(t, quota->split(had.memory - had.memory_used - 4 * abi::kPageSize, 0)));
    const std::uint64_t used = MUST(t, quota->status()).memory_used;
    const auto asked = [&](Op op) {
        worker.station->values[1] = static_cast<std::uint64_t>(op);
        (void)worker.thread.start();
        return comes_to(t, worker, ThreadState::kGone)
                   ? error_of(static_cast<std::int64_t>(worker.station->values[2].load()))
                   : Error::kOk;
    };
    REQUIRE_EQUAL(t, asked(Op::kCreateDomain), Error::kQuota);
    REQUIRE_EQUAL(t, MUST(t, quota->status()).memory_used, used);
}

// The whole path: a child, a CPU, a server, threads there and nowhere else; and back.
void lent_and_reclaimed(Case& t) {
    const cap::SchedDomain root = root_domain(t);
    const std::uint32_t cpu = last_cpu(t);
    const auto child = MUST(t, make_child(root));
    DomainServer lender(t);
    DomainServer borrower(t, only(cpu), *child);
    REQUIRE(t, !t.failed() && borrower.number() != lender.number());
    Crew lenders(t);
    Crew borrowers(t, *child);
    const Worker& displaced = lenders.add();
    const Worker& running = borrowers.add({.first_cpu = cpu});
    const Worker& queued = borrowers.add({.first_cpu = cpu});
    const Worker& waiting = borrowers.add({.order = Order::kWait, .first_cpu = cpu});
    REQUIRE_OK(t, lender.start(displaced, cpu));
    REQUIRE_OK(t, running.thread.start());
    REQUIRE(t, becomes(t, borrower, running, ThreadState::kUnplaced));
    REQUIRE_ERROR(t, borrower.place(running, cpu), Error::kCpuNotYours);
    REQUIRE_EQUAL(t, borrower.line(running).domain, borrower.number());
    lender.forget();
    borrower.forget();

    REQUIRE_OK(t, root.lend_cpu(cpu, *child));
    REQUIRE(t, eventually(t.env.clock, [&] { return borrower.heard_cpu(cpu); }));
    REQUIRE(t, lender.heard_cpu(cpu) && lender.heard(displaced));
    REQUIRE_EQUAL(t, lender.cpu_line(cpu).domain, borrower.number());
    REQUIRE_EQUAL(t, displaced.word().cause(), Cause::kCpuLost);
    REQUIRE_EQUAL(t, MUST(t, child->cpus()), only(cpu));
    REQUIRE_EQUAL(t, MUST(t, root.cpus()) & only(cpu), 0u);
    REQUIRE_ERROR(t, lender.place(displaced, cpu), Error::kCpuNotYours);
    REQUIRE_ERROR(t, lender.commit(running, running.word().sequence(), cpu), Error::kNotInDomain);
    REQUIRE_ERROR(t, borrower.commit(displaced, displaced.word().sequence(), cpu), Error::kNotInDomain);

    REQUIRE_OK(t, borrower.start(waiting, cpu));
    REQUIRE(t, comes_to(t, waiting, ThreadState::kWaiting));
    borrower.hint(waiting, abi::kHintWake, cpu);
    REQUIRE_OK(t, borrower.place(running, cpu));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE_OK(t, borrower.start(queued, cpu));
    if (t.cpus() > 1) {
        REQUIRE_ERROR(t, borrower.place(queued, 0), Error::kRunningElsewhere);
    }
    lender.forget();
    borrower.forget();
    REQUIRE_OK(t, root.reclaim_cpu(cpu));
    REQUIRE(t, eventually(t.env.clock, [&] { return lender.heard_cpu(cpu); }));
    REQUIRE_EQUAL(t, lender.cpu_line(cpu).domain, lender.number());
    REQUIRE(t, borrower.heard_cpu(cpu));
    for (const Worker* worker : {&running, &queued}) {
        REQUIRE_EQUAL(t, worker->state(), ThreadState::kUnplaced);
        REQUIRE_EQUAL(t, worker->word().cause(), Cause::kCpuLost);
        REQUIRE(t, borrower.heard(*worker) && !lender.heard(*worker));
    }
    waiting.ring_bell();  // its hint does not count any more
    REQUIRE(t, becomes(t, borrower, waiting, ThreadState::kUnplaced));
    REQUIRE_ERROR(t, borrower.place(waiting, cpu), Error::kCpuNotYours);
    REQUIRE_OK(t, lender.place(displaced, cpu));
    REQUIRE(t, makes_progress(t, displaced));
}

// From the root to a child, to that one's child; the root takes it from there, and lends it anew to the first alone.
void lent_on(Case& t) {
    const cap::SchedDomain root = root_domain(t);
    const std::uint32_t cpu = last_cpu(t);
    const auto one = MUST(t, make_child(root));
    const auto two = MUST(t, make_child(*one));
    Crew crew(t, *two);
    const Worker& worker = crew.add({.first_cpu = cpu});
    REQUIRE_OK(t, worker.thread.start());
    for (int round = 0; round < 5; ++round) {
        const Loans loan(t, root, only(cpu), *one);
        REQUIRE(t, loan.has_come());
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
        REQUIRE_OK(t, one->lend_cpu(cpu, *two));
        REQUIRE(t, makes_progress(t, worker));
        REQUIRE_EQUAL(t, MUST(t, two->cpus()), only(cpu));
        REQUIRE_OK(t, root.reclaim_cpu(cpu));
        REQUIRE(t, eventually(t.env.clock, [&] { return has(root, cpu); }));
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
        REQUIRE_ERROR(t, one->reclaim_cpu(cpu), Error::kWrongState);
        REQUIRE_OK(t, root.lend_cpu(cpu, *one));
        REQUIRE(t, loan.has_come());
    }
}

// A server whose capability is revoked has no say any more; the kernel places its threads, and the next server does.
void revoked(Case& t) {
    const std::uint32_t cpu = last_cpu(t);
    const auto child = MUST(t, make_child(root_domain(t)));
    const Loans loan(t, root_domain(t), only(cpu), *child);
    const auto given = MUST(t, derive(*child, abi::kAllRights));
    Crew crew(t, *child);
    const Worker& worker = crew.add({.first_cpu = cpu});
    {
        DomainServer server(t, only(cpu), *given);
        REQUIRE_OK(t, server.start(worker, cpu));
        REQUIRE(t, makes_progress(t, worker));
        const Worker& late = crew.add({.order = Order::kWait, .first_cpu = cpu});
        REQUIRE_OK(t, late.thread.start());
        REQUIRE_EQUAL(t, late.state(), ThreadState::kUnplaced);
        REQUIRE_OK(t, child->revoke());
        REQUIRE(t, comes_to(t, late, ThreadState::kWaiting));  // the kernel has placed it
        REQUIRE_ERROR(t, server.place(worker, cpu), Error::kStaleSlot);
        REQUIRE_ERROR(t, child->commit(worker.ref, worker.word().sequence(), cpu, 0, 0), Error::kNotAttached);
        REQUIRE(t, makes_progress(t, worker));
    }
    {
        DomainServer next(t, only(cpu), *child);
        REQUIRE(t, !t.failed());
        REQUIRE_OK(t, next.place(worker, cpu, abi::kCommitRecall));
        REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
        REQUIRE_OK(t, next.place(worker, cpu));
        REQUIRE(t, makes_progress(t, worker));
    }
    // One that is dropped, or given away, does the same.
    auto dropped = MUST(t, derive(*child, abi::kAllRights));
    const DomainServer server(t, only(cpu), *dropped);
    REQUIRE_OK(t, server.place(worker, cpu, abi::kCommitRecall));
    dropped = {};
    REQUIRE_ERROR(t, child->detach(), Error::kNotAttached);
}

// When nobody refers to it any more, its CPUs are the lender's.
void the_end(Case& t) {
    const cap::SchedDomain root = root_domain(t);
    const std::uint32_t cpu = last_cpu(t);
    for (int round = 0; round < 5; ++round) {
        auto child = MUST(t, make_child(root));
        auto grandchild = MUST(t, make_child(*child));
        REQUIRE_OK(t, root.lend_cpu(cpu, *child));
        REQUIRE_OK(t, child->lend_cpu(cpu, *grandchild));
        child = {};  // its child keeps it
        {
            Crew crew(t, *grandchild);
            const Worker& worker = crew.add({.first_cpu = cpu});
            grandchild = {};  // the process keeps it
            REQUIRE_OK(t, worker.thread.start());
            REQUIRE(t, makes_progress(t, worker));
            REQUIRE_EQUAL(t, worker.word().cpu(), cpu);
        }
        REQUIRE(t, eventually(t.env.clock, [&] { return has(root, cpu); }));
        REQUIRE_ERROR(t, root.reclaim_cpu(cpu), Error::kWrongState);
    }
}

constexpr Entry kCases[] = {
    {"errors", errors},
    {"places", places},
    {"charged", charged},
    {"too_poor", too_poor},
    {"lent_and_reclaimed", lent_and_reclaimed},
    {"lent_on", lent_on},
    {"revoked", revoked},
    {"the_end", the_end},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "domains", kCases); }
