// SPDX-License-Identifier: MIT
//
// Suspended threads of the domain: what the server hears, sees and may do: docs/scheduling.md, "Suspending".
#include "support/doors.hpp"
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

bool nothing_heard(Case& t, DomainServer& server, const Worker& worker) {
    return throughout(t.env.clock, 2 * kMillisecond, [&] { return !server.heard(worker); });
}

// Unplaced, it is suspended at once; a commit is refused; resumed, it is unplaced again.
void unplaced(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    const std::uint32_t sequence = server.line(worker).word.sequence();
    server.forget();
    REQUIRE_OK(t, worker.thread.suspend());
    REQUIRE_EQUAL(t, server.line(worker).word.state(), ThreadState::kSuspended);
    REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence + 1);
    REQUIRE(t, server.heard(worker));
    REQUIRE_ERROR(t, server.commit(worker, sequence, 0), Error::kNotRunnable);
    REQUIRE_ERROR(t, server.place(worker, 0), Error::kNotRunnable);
    REQUIRE_ERROR(t, server.place(worker, 0, abi::kCommitRecall), Error::kNotRunnable);
    REQUIRE(t, nothing_heard(t, server, worker));
    REQUIRE_OK(t, worker.thread.suspend());
    REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence + 1);
    REQUIRE_OK(t, worker.thread.resume());
    REQUIRE(t, server.heard(worker));
    REQUIRE_EQUAL(t, server.line(worker).word.state(), ThreadState::kUnplaced);
    REQUIRE_EQUAL(t, server.line(worker).word.cause(), Cause::kResumed);
    REQUIRE_ERROR(t, server.commit(worker, sequence, 0), Error::kStaleSequence);
    REQUIRE_OK(t, server.place(worker, last_cpu(t)));
    REQUIRE(t, makes_progress(t, worker));
}

void running_and_queued(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& first = crew.add();
    const Worker& second = crew.add();
    REQUIRE_OK(t, server.start(first, last_cpu(t)));
    REQUIRE(t, makes_progress(t, first));
    REQUIRE_OK(t, server.start(second, last_cpu(t)));
    server.forget();
    for (const Worker* worker : {&second, &first}) {
        REQUIRE_OK(t, worker->thread.suspend());
        REQUIRE(t, becomes(t, server, *worker, ThreadState::kSuspended));
    }
    // Resumed, they are the server's to place.
    for (const Worker* worker : {&first, &second}) {
        REQUIRE_OK(t, worker->thread.resume());
        REQUIRE(t, becomes(t, server, *worker, ThreadState::kUnplaced));
        REQUIRE_OK(t, server.place(*worker, 0, abi::kCommitPreempt));
        REQUIRE(t, makes_progress(t, *worker));
    }
}

void waiting(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, server.start(worker, last_cpu(t)));
    for (std::uint64_t round = 0; round < 4; ++round) {
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        REQUIRE_EQUAL(t, worker.station->waits_done.load(), round);
        const std::uint64_t wakes = server.line(worker).wakes;
        server.forget();
        REQUIRE_OK(t, worker.thread.suspend());
        REQUIRE(t, server.heard(worker));
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kSuspended);
        if (round % 2 == 0) {
            REQUIRE_OK(t, worker.thread.resume());
            REQUIRE(t, server.heard(worker));
            REQUIRE_EQUAL(t, worker.state(), ThreadState::kWaiting);
            worker.ring_bell();
        } else {
            worker.ring_bell();
            REQUIRE_EQUAL(t, worker.state(), ThreadState::kSuspended);
            REQUIRE(t, worker.word().wake_pending());
            REQUIRE_OK(t, worker.thread.resume());
        }
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
        REQUIRE_EQUAL(t, server.line(worker).wakes, wakes + 1);
        REQUIRE(t, server.heard(worker));
        REQUIRE_OK(t, server.place(worker, 0));
    }
}

// A suspended thread outlives its server, and comes back to the kernel's care, or to the next server.
void without_a_server(Case& t) {
    Crew crew(t);
    const Worker& worker = crew.add();
    const Worker& other = crew.add();
    {
        DomainServer server(t);
        for (const Worker* each : {&worker, &other}) {
            REQUIRE_OK(t, server.start(*each, last_cpu(t)));
            REQUIRE(t, eventually(t.env.clock, [&] { return is_placed(each->word()); }));
            REQUIRE_OK(t, each->thread.suspend());
            REQUIRE(t, comes_to(t, *each, ThreadState::kSuspended));
        }
    }
    REQUIRE_EQUAL(t, worker.state(), ThreadState::kSuspended);
    REQUIRE_OK(t, worker.thread.resume());
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE(t, throughout(t.env.clock, 2 * kMillisecond,
                          [&] { return other.state() == ThreadState::kSuspended; }));
    DomainServer next(t);
    REQUIRE_OK(t, other.thread.resume());
    REQUIRE(t, becomes(t, next, other, ThreadState::kUnplaced));
}

void agents_are_not(Case& t) {
    DomainServer server(t, 0);
    const auto wait = [](cap::Ring& ring, void*) -> std::uint64_t {
        (void)ring.submit_and_wait(1);
        return 0;
    };
    REQUIRE_OK(t, server.add_agent(0, wait, nullptr));
    const cap::Thread agent = server.agent(0).thread;
    REQUIRE_ERROR(t, agent.suspend(), Error::kWrongState);
    REQUIRE_OK(t, agent.start());
    REQUIRE(t,
            eventually(t.env.clock, [&] { return agent.status()->word.state() == ThreadState::kWaiting; }));
    REQUIRE_ERROR(t, agent.suspend(), Error::kWrongState);
    REQUIRE_OK(t, agent.resume());
}

constexpr Entry kCases[] = {
    {"unplaced", unplaced},
    {"running_and_queued", running_and_queued},
    {"waiting", waiting},
    {"without_a_server", without_a_server},
    {"agents_are_not", agents_are_not},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_suspend", kCases); }
