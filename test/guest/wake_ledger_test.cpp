// SPDX-License-Identifier: MIT
//
// The wake ledger: who placed each wake of a thread, that the sum is right at every moment, and that nothing is owed at rest.
// docs/scheduling.md, "The wake ledger". With the boot parameter selftest=forget-wake the kernel forgets one wake, and the case
// always_even must see that.
#include "support/wake_ledger.hpp"
#include "support/agents.hpp"
#include "support/chaos.hpp"
#include "support/domains.hpp"
#include "support/doors.hpp"
#include "support/load.hpp"
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::ThreadState;

void errors(Case& t) {
    const cap::SchedDomain domain = root_domain(t);
    abi::WakeLedger ledger{};
    const auto address = reinterpret_cast<std::uint64_t>(&ledger);
    const Request bad_lines[] = {{abi::Op::kWakeLedger, domain.slot(), {abi::kMaxThreads, address}},
                                 {abi::Op::kWakeLedger, domain.slot(), {abi::kGoneThreads - 1, address}},
                                 {abi::Op::kWakeLedger, domain.slot(), {abi::kMaxThreads, 0}}};
    for (const Request& request : bad_lines) {
        REQUIRE_EQUAL(t, by_call(request), Error::kBadArgument);
        REQUIRE_EQUAL(t, by_ring(t.env, request), Error::kBadArgument);
    }
    for (const std::uint64_t line :
         {std::uint64_t{0}, abi::kGoneThreads, std::uint64_t{abi::kMaxThreads} - 1}) {
        for (const std::uint64_t where : {std::uint64_t{0}, std::uint64_t{1} << 63, abi::kUserTop - 8}) {
            const Request request{abi::Op::kWakeLedger, domain.slot(), {line, where}};
            REQUIRE_EQUAL(t, by_call(request), Error::kBadAddress);
            REQUIRE_EQUAL(t, by_ring(t.env, request), Error::kBadAddress);
        }
    }
    const auto free = MUST(t, domain.wake_ledger(abi::kMaxThreads - 1));
    REQUIRE_EQUAL(t, free.ref, 0u);
    REQUIRE_EQUAL(t, free.wakes, 0u);
}

// What a worker's ledger says; `owed` in place of its word and reference.
struct Counts {
    std::uint64_t wakes = 0, hinted = 0, committed = 0, by_kernel = 0, cancelled = 0, coalesced = 0;
    bool owed = false;
    friend bool operator==(const Counts&, const Counts&) = default;
};

Counts counts_of(const abi::WakeLedger& l) {
    return {l.wakes, l.hinted, l.committed, l.by_kernel, l.cancelled, l.coalesced, is_owed(l)};
}

void require_counts(Case& t, int line, const Worker& worker, const Counts& expected) {
    const auto ledger = root_domain(t).wake_ledger(worker.ref.index);
    if (!ledger || ledger->ref != worker.ref.raw()) {
        return t.fail("line {}: no ledger of the worker", line);
    }
    const Counts is = counts_of(*ledger);
    if (is != expected) {
        t.fail(
            "line {}: {} wakes, {} hinted, {} committed, {} by_kernel, {} cancelled, {} coalesced, {} owed",
            line, is.wakes, is.hinted, is.committed, is.by_kernel, is.cancelled, is.coalesced,
            static_cast<unsigned>(is.owed));
    }
}

#define REQUIRE_COUNTS(t, worker, ...)                           \
    do {                                                         \
        require_counts(t, __LINE__, worker, Counts __VA_ARGS__); \
        if ((t).failed()) return;                                \
    } while (false)

// One worker, each thing that can become of a wake.
void each_kind(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& worker = crew.add({.order = Order::kWait});
    const std::uint32_t cpu = last_cpu(t);
    REQUIRE_COUNTS(t, worker, {});
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .owed = true});
    REQUIRE_ERROR(t, server.commit(worker, 0, cpu), Error::kStaleSequence);
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .owed = true});
    REQUIRE_OK(t, server.place(worker, cpu));
    REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .committed = 1});

    worker.ring_bell();  // nobody has said where
    REQUIRE_COUNTS(t, worker, {.wakes = 2, .committed = 1, .owed = true});
    REQUIRE_OK(t, server.place(worker, 0));
    REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    REQUIRE_COUNTS(t, worker, {.wakes = 2, .committed = 2});

    server.hint(worker, abi::kHintWake, cpu);
    for (std::uint64_t i = 1; i <= 3; ++i) {
        worker.ring_bell();
        REQUIRE(t, eventually(t.env.clock, [&] { return worker.station->waits_done == 1 + i; }));
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        REQUIRE_COUNTS(t, worker, {.wakes = 2 + i, .hinted = i, .committed = 2});
    }
    server.hint(worker, 0, 0);

    // Suspended, with a wake owed: it stays so until the thread is resumed and placed.
    worker.ring_bell();
    REQUIRE_OK(t, worker.thread.suspend());
    REQUIRE_COUNTS(t, worker, {.wakes = 6, .hinted = 3, .committed = 2, .owed = true});
    REQUIRE_OK(t, worker.thread.resume());
    REQUIRE_COUNTS(t, worker, {.wakes = 6, .hinted = 3, .committed = 2, .owed = true});
    worker.order(Order::kSpin);
    REQUIRE_OK(t, server.place(worker, cpu));
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE_COUNTS(t, worker, {.wakes = 6, .hinted = 3, .committed = 3});

    // Recalled, it is placed anew: that is no wake.
    REQUIRE_OK(t, server.place(worker, 0, abi::kCommitRecall));
    REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
    REQUIRE_COUNTS(t, worker, {.wakes = 6, .hinted = 3, .committed = 3});
    REQUIRE_OK(t, server.place(worker, cpu));
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE_COUNTS(t, worker, {.wakes = 6, .hinted = 3, .committed = 3});
}

// Woken while it waits and is suspended, by each of two: one is owed. Killed, it is cancelled.
void suspended_and_killed(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& worker = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, server.start(worker, last_cpu(t)));
    REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    REQUIRE_OK(t, worker.thread.suspend());
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .committed = 1});
    worker.ring_bell();
    REQUIRE_COUNTS(t, worker, {.wakes = 2, .committed = 1, .owed = true});
    const auto before = MUST(t, root_domain(t).wake_ledger(abi::kGoneThreads));
    REQUIRE_OK(t, worker.thread.kill(0));
    REQUIRE_COUNTS(t, worker, {.wakes = 2, .committed = 1, .cancelled = 1});

    // Killed while it is unplaced; the sums of those that have gone have them all when their lines are free.
    crew.renew(worker);
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .owed = true});
    REQUIRE_OK(t, worker.thread.kill(0));
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .cancelled = 1});
    crew.renew(worker);
    const auto gone = [&] {
        const auto after = root_domain(t).wake_ledger(abi::kGoneThreads);
        return after && after->wakes == before.wakes + 3 && after->committed == before.committed + 1 &&
               after->cancelled == before.cancelled + 2 && after->hinted == before.hinted &&
               after->by_kernel == before.by_kernel && after->coalesced == before.coalesced;
    };
    REQUIRE(t, eventually(t.env.clock, gone));
}

std::uint64_t sleep_always(cap::Ring& ring, void* bell) {
    for (;;) {
        (void)static_cast<cap::Notification*>(bell)->wait(ring);
    }
}

// Without a server, of the domain's threads and others: the kernel places each.
void placed_by_the_kernel(Case& t) {
    cap::Notification bell = MUST(t, t.env.process.create_notification());
    {
        const auto sibling = MUST(t, Sibling::start(t.env, sleep_always, &bell, {.first_cpu = last_cpu(t)}));
        Crew crew(t);
        const Worker& worker = crew.add({.order = Order::kWait, .first_cpu = last_cpu(t)});
        REQUIRE_OK(t, worker.thread.start());
        for (std::uint64_t wakes = 1; wakes < 10; ++wakes) {
            REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
            REQUIRE_COUNTS(t, worker, {.wakes = wakes, .by_kernel = wakes});
            REQUIRE(t, sibling.reaches(ThreadState::kWaiting));
            const abi::ThreadRef ref = MUST(t, sibling->status()).ref;
            const auto ledger = MUST(t, root_domain(t).wake_ledger(ref.index));
            REQUIRE(t, counts_of(ledger) == (Counts{.wakes = wakes, .by_kernel = wakes}));
            worker.ring_bell();
            (void)bell.signal(1);
        }
    }
    bell.drop();
}

// Signals to a thread that does not wait for them are no wakes; nor is a start that is refused, or a commit after a resume.
std::uint64_t submit_and_wait(Station& station, cap::Ring& ring) {
    for (;;) {
        while (station.values[0] == 0) {
        }
        (void)cap::Notification(station.bell).wait(ring);
        station.values[0] = 0;
        ++station.waits_done;
    }
}

void woken_for_nothing(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& worker = crew.add({.main = submit_and_wait});
    REQUIRE_OK(t, server.start(worker, last_cpu(t)));
    REQUIRE_OK(t, worker.thread.suspend());
    REQUIRE(t, comes_to(t, worker, ThreadState::kSuspended));
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .committed = 1});
    // It was running, so it is runnable; what it has not asked for wakes nobody.
    worker.ring_bell();
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .committed = 1});
    REQUIRE_OK(t, worker.thread.resume());
    REQUIRE_ERROR(t, worker.thread.start(), Error::kWrongState);
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .committed = 1});
    REQUIRE_OK(t, server.place(worker, last_cpu(t)));
    worker.station->values[0] = 1;
    REQUIRE(t, eventually(t.env.clock, [&] { return worker.station->waits_done == 1; }));
    REQUIRE_COUNTS(t, worker, {.wakes = 1, .committed = 1});
}

// While servers come and go, and all that chaos does goes on, a thread looks at all ledgers all the time.
void always_even(Case& t) {
    static std::optional<WakeLedgerCheck> check;
    check.emplace(root_domain(t), t.env.clock);
    {
        const auto looker =
            MUST(t, Sibling::start(t.env, WakeLedgerCheck::look_always, &*check, {.first_cpu = last_cpu(t)}));
        {
            Agents agents(t, Manner::kHints);
            REQUIRE(t, !t.failed());
            static std::optional<Chaos> chaos;  // too large for a stack
            chaos.emplace(t, agents.server(), std::min<std::size_t>(t.cpus(), Chaos::kMaxRings));
            if (!t.failed()) {
                chaos->run(1500 * kMillisecond);
            }
            chaos.reset();
            check->report(t);
            REQUIRE(t, !t.failed());
        }
        Load load(t, 1, 2);
        for (int i = 0; i < 10; ++i) {
            REQUIRE(t, load.all_progress());
            Agents agents(t, i % 2 == 0 ? Manner::kHints : Manner::kChaos);
            REQUIRE(t, load.all_progress());
            check->report(t);
            REQUIRE(t, !t.failed());
        }
        const std::uint64_t looks = check->looks();
        REQUIRE(t, eventually(t.env.clock, [&] { return check->looks() > looks + 1 || !check->good(); }));
    }
    (void)check->look_at_rest();
    check->report(t);
    REQUIRE(t, !t.failed());
    const auto gone = MUST(t, root_domain(t).wake_ledger(abi::kGoneThreads));
    t.env.log.print(
        "ledger: looks={} seen_owed={} wakes={} hinted={} committed={} by_kernel={} cancelled={} "
        "coalesced={}",
        check->looks(), check->seen_owed(), gone.wakes, gone.hinted, gone.committed, gone.by_kernel,
        gone.cancelled, gone.coalesced);
    REQUIRE(t, gone.hinted > 0 && gone.committed > 0 && gone.by_kernel > 0 && gone.cancelled > 0);
    REQUIRE(t, check->seen_owed() > 0);
}

constexpr Entry kCases[] = {
    {"errors", errors},
    {"each_kind", each_kind},
    {"suspended_and_killed", suspended_and_killed},
    {"woken_for_nothing", woken_for_nothing},
    {"always_even", always_even},
    {"placed_by_the_kernel", placed_by_the_kernel},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "wake_ledger", kCases); }
