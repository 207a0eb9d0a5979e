// SPDX-License-Identifier: MIT
//
// Pollers in a domain: the server sees them, and places them like any thread. docs/abi.md, "Polling".
#include "support/agents.hpp"
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// Polls itself, idle for values[1] ns; then has a NOP done for each order to wait, and counts in `beats` what has completed.
std::uint64_t work_polled(Station& station, cap::Ring& ring) {
    const cap::Thread self(abi::CapSlot::from_raw(station.values[0].load()));
    const auto poller = self.poll(ring, {.idle_ns = station.values[1].load(), .label = 99});
    station.values[2] = poller ? poller->slot().raw() : 0;
    station.values[3] = poller ? poller->ref()->raw() : 1;
    for (std::uint64_t sent = 0;;) {
        if (station.order.load() == Order::kWait &&
            ring.prepare(cap::submission(abi::Op::kNop, self.slot(), sent))) {
            ++sent;
        }
        (void)ring.submit_and_wait(0);
        ring.drain([&](const abi::Completion& done) {
            station.values[4] += done.user_data != station.beats.load();
            ++station.beats;
        });
    }
}

// The worker runs on CPU 0 in turns with its poller, which has been made and not been placed -> the poller, as a worker.
Worker poller_of(Case& t, DomainServer& server, Crew& crew, Worker& worker, std::uint64_t idle_ns) {
    Worker poller;
    worker.station->values[0] =
        crew.process().give(worker.thread.slot(), abi::kManage | abi::kRead).value_or(abi::CapSlot{}).raw();
    worker.station->values[1] = idle_ns;
    server.hint(worker, abi::kHintRotate, 0, abi::kMinSliceNs);
    if (!server.start(worker, 0, abi::kMinSliceNs) ||
        !eventually(t.env.clock, [&] { return worker.station->values[3].load() != 0; })) {
        t.fail("the worker does not get a poller");
    }
    poller.ref = abi::ThreadRef::from_raw(worker.station->values[3].load());
    return poller;
}

bool line_comes_to(Case& t, DomainServer& server, const Worker& poller, ThreadState state) {
    return eventually(t.env.clock, [&] { return server.line(poller).word.state() == state; });
}

void placed_like_any(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& worker = crew.add({.main = work_polled, .order = Order::kSpin});
    const Worker poller = poller_of(t, server, crew, worker, abi::kForever);
    REQUIRE(t, line_comes_to(t, server, poller, ThreadState::kUnplaced));
    REQUIRE(t, eventually(t.env.clock, [&] { return server.heard(poller); }));
    REQUIRE_EQUAL(t, server.line(poller).label, 99u);
    REQUIRE_EQUAL(t, server.line(poller).domain, server.line(worker).domain);
    worker.order(Order::kWait);
    REQUIRE(t, throughout(t.env.clock, 2 * kMillisecond, [&] { return worker.beats() == 0; }));
    server.hint(poller, abi::kHintRotate, 0, abi::kMinSliceNs);
    for (std::uint32_t i = 0; i < 2 * t.cpus(); ++i) {
        const std::uint32_t cpu = i % t.cpus();
        REQUIRE_OK(t, server.place(poller, cpu, 0, abi::kMinSliceNs));
        REQUIRE(t, makes_progress(t, worker));
        REQUIRE_EQUAL(t, server.line(poller).word.cpu(), cpu);
        REQUIRE_OK(t, server.commit(poller, 0, 0, abi::kCommitRecall));
        REQUIRE(t, line_comes_to(t, server, poller, ThreadState::kUnplaced));
        REQUIRE_EQUAL(t, server.line(poller).word.cause(), Cause::kRecalled);
        const std::uint64_t beats = worker.beats();
        REQUIRE(t, throughout(t.env.clock, kMillisecond,
                              [&] { return worker.beats() <= beats + abi::kCqEntries; }));
    }
    REQUIRE_EQUAL(t, worker.station->values[4].load(), 0u);
}

// Without a hint it yields to the server when the queue is empty and another wants the CPU; asleep, it is woken like any thread.
void yields_and_wakes(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& worker = crew.add({.main = work_polled, .order = Order::kSpin});
    const Worker poller = poller_of(t, server, crew, worker, abi::kForever);
    REQUIRE(t, line_comes_to(t, server, poller, ThreadState::kUnplaced));
    REQUIRE_OK(t, server.place(poller, 0));
    REQUIRE(t, eventually(t.env.clock, [&] { return server.line(poller).word.cause() == Cause::kYielded; }));
    REQUIRE(t, line_comes_to(t, server, poller, ThreadState::kUnplaced));

    Worker& other = crew.add({.main = work_polled, .order = Order::kSpin});
    const Worker sleeper = poller_of(t, server, crew, other, 0);
    REQUIRE(t, line_comes_to(t, server, sleeper, ThreadState::kUnplaced));
    REQUIRE_OK(t, server.place(sleeper, last_cpu(t)));
    REQUIRE(t, line_comes_to(t, server, sleeper, ThreadState::kWaiting));
    server.forget();
    other.order(Order::kWait);
    REQUIRE(t, line_comes_to(t, server, sleeper, ThreadState::kUnplaced));
    REQUIRE(t, eventually(t.env.clock, [&] { return server.heard(sleeper); }));
    REQUIRE_EQUAL(t, server.line(sleeper).word.cause(), Cause::kWoken);
    server.hint(sleeper, abi::kHintWake | abi::kHintRotate, last_cpu(t), abi::kMinSliceNs);
    REQUIRE_OK(t, server.place(sleeper, last_cpu(t), 0, abi::kMinSliceNs));
    for (int i = 0; i < 20; ++i) {
        REQUIRE(t, makes_progress(t, other));
    }
    REQUIRE_EQUAL(t, other.station->values[4].load(), 0u);
}

// Recalled and placed anywhere, at any moment.
void placed_anywhere(Case& t) {
    for (const Manner manner : {Manner::kPlain, Manner::kChaos}) {
        Agents agents(t, manner);
        Crew crew(t);
        const Worker* workers[3];
        for (std::size_t i = 0; i < 3; ++i) {
            Worker& worker = crew.add({.main = work_polled, .order = Order::kWait});
            workers[i] = &worker;
            worker.station->values[0] =
                MUST(t, crew.process().give(worker.thread.slot(), abi::kManage | abi::kRead)).raw();
            worker.station->values[1] = i * kMillisecond;
            agents.server().hint(worker, abi::kHintRotate, 0, abi::kMinSliceNs);
            REQUIRE_OK(t, worker.thread.start());
        }
        for (int i = 0; i < 10; ++i) {
            for (const Worker* worker : workers) {
                REQUIRE(t, makes_progress(t, *worker));
                REQUIRE_EQUAL(t, worker->station->values[4].load(), 0u);
            }
        }
    }
}

// An agent's ring is not polled.
void agents_are_not(Case& t) {
    DomainServer server(t, kAllCpus & ~std::uint64_t{1});
    struct Seat {
        std::atomic<std::uint64_t> slot{0};
        std::atomic<std::int64_t> outcome{1};
        static std::uint64_t run(cap::Ring& ring, void* argument) {
            Seat& seat = *static_cast<Seat*>(argument);
            const auto made = cap::Thread(abi::CapSlot::from_raw(seat.slot.load())).poll(ring);
            seat.outcome = made ? 0 : static_cast<std::int64_t>(made.error());
            return ring.submit_and_wait(1).value_or(0);
        }
    } seat;
    REQUIRE_OK(t, server.add_agent(0, Seat::run, &seat));
    seat.slot = server.agent(0).thread.slot().raw();
    REQUIRE_OK(t, server.agent(0).thread.start());
    REQUIRE(t, eventually(t.env.clock, [&] { return seat.outcome.load() != 1; }));
    REQUIRE_EQUAL(t, static_cast<Error>(seat.outcome.load()), Error::kWrongState);
}

constexpr Entry kCases[] = {
    {"placed_like_any", placed_like_any},
    {"yields_and_wakes", yields_and_wakes},
    {"placed_anywhere", placed_anywhere},
    {"agents_are_not", agents_are_not},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_poll", kCases); }
