// SPDX-License-Identifier: MIT
//
// Hints: threads that the kernel places as the server has said, without asking; what makes a hint count as none; and
// yielding, with and without one. docs/scheduling.md, "Hints".
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::ThreadState;

// A worker that waits, placed once.
const Worker* waiting_worker(Case& t, DomainServer& server, Crew& crew, std::uint64_t affinity = 0) {
    const Worker& worker = crew.add({.order = Order::kWait, .affinity = affinity});
    const bool started = worker.thread.start().has_value();
    server
        .forget();  // of the start, so that what is heard below is of its blocking, which is told after it shows
    const bool waits =
        started && server.place(worker, last_cpu(t)) && becomes(t, server, worker, ThreadState::kWaiting);
    if (!waits) {
        t.fail("a worker does not come to wait");
    }
    server.forget();
    return &worker;
}

// Rings the bell -> whether the worker has answered and waits again, without a commit.
bool answers(Case& t, const Worker& worker) {
    const std::uint64_t done = worker.station->waits_done.load();
    worker.ring_bell();
    return eventually(t.env.clock, [&] { return worker.station->waits_done.load() == done + 1; }) &&
           comes_to(t, worker, ThreadState::kWaiting);
}

void wakes_where_it_says(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = *waiting_worker(t, server, crew);
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        server.hint(worker, abi::kHintWake, cpu);
        for (int i = 0; i < 5; ++i) {
            REQUIRE(t, answers(t, worker));
            REQUIRE_EQUAL(t, worker.word().cpu(), cpu);
            REQUIRE(t, !worker.word().placed_by_kernel());
        }
        REQUIRE(t, !server.heard(worker));
    }
    server.hint(worker, 0, 0);
    worker.ring_bell();
    REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
}

// Of an earlier thread, of no CPU, of one that the thread may not use, without the flag.
void counts_as_none(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    const Worker& worker = *waiting_worker(t, server, crew, std::uint64_t{1} << cpu);
    const std::uint32_t generation = worker.ref.generation;
    const std::uint64_t bad[] = {
        abi::hint_word(generation + 1, cpu, abi::kHintWake),
        abi::hint_word(0, cpu, abi::kHintWake),
        abi::hint_word(generation, t.cpus(), abi::kHintWake),
        abi::hint_word(generation, 255, abi::kHintWake),
        abi::hint_word(generation, cpu, abi::kHintRotate),
        t.cpus() > 1 ? abi::hint_word(generation, cpu - 1, abi::kHintWake) : 0,
    };
    for (const std::uint64_t word : bad) {
        server.hint_line(worker).word = word;
        worker.ring_bell();
        REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
        REQUIRE_OK(t, server.place(worker, cpu));
        REQUIRE(t, becomes(t, server, worker, ThreadState::kWaiting));
        server.forget();
    }
    // Garbage beside what is meant harms nobody.
    server.hint_line(worker).word = abi::hint_word(generation, cpu, abi::kHintWake | 0xfc) | 0xffff0000;
    server.hint_line(worker).slice_ns = ~0ull;
    REQUIRE(t, answers(t, worker));
}

void rotates(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker* workers[] = {&crew.add(), &crew.add(), &crew.add()};
    for (const Worker* worker : workers) {
        server.hint(*worker, abi::kHintRotate, 0, abi::kMinSliceNs);
        REQUIRE_OK(t, server.start(*worker, last_cpu(t), abi::kMinSliceNs));
    }
    REQUIRE(t, makes_progress(t, *workers[2]));
    server.forget();
    for (int i = 0; i < 10; ++i) {
        for (const Worker* worker : workers) {
            REQUIRE(t, makes_progress(t, *worker));
            REQUIRE(t, is_placed(worker->word()));
        }
    }
    for (const Worker* worker : workers) {
        REQUIRE(t, !server.heard(*worker));
    }
    server.hint(*workers[0], 0, 0);
    REQUIRE(t, becomes(t, server, *workers[0], ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, workers[0]->word().cause(), Cause::kSliceEnd);
}

std::uint64_t yield_for_ever(Station& station, cap::Ring&) {
    const cap::Thread self(abi::CapSlot::from_raw(station.values[0].load()));
    for (;;) {
        station.beats.fetch_add(1);
        self.yield();
    }
}

void yields(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker* workers[] = {&crew.add({.main = yield_for_ever}), &crew.add({.main = yield_for_ever})};
    for (const Worker* worker : workers) {
        worker->station->values[0] = MUST(t, crew.process().give(worker->thread.slot(), abi::kRead)).raw();
        server.hint(*worker, abi::kHintRotate, 0);
        REQUIRE_OK(t, server.start(*worker, last_cpu(t)));  // without a slice: only the yield makes room
    }
    for (int i = 0; i < 10; ++i) {
        REQUIRE(t, makes_progress(t, *workers[0]) && makes_progress(t, *workers[1]));
    }
    server.hint(*workers[0], 0, 0);
    REQUIRE(t, becomes(t, server, *workers[0], ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, workers[0]->word().cause(), Cause::kYielded);
    REQUIRE(t, makes_progress(t, *workers[1]));
}

// With the server its hints have gone, and a new one begins without.
void end_with_the_server(Case& t) {
    Crew crew(t);
    const Worker* worker = nullptr;
    {
        DomainServer server(t);
        worker = waiting_worker(t, server, crew);
        server.hint(*worker, abi::kHintWake, 0);
        REQUIRE(t, answers(t, *worker));
        REQUIRE_OK(t, server.domain().detach());
        REQUIRE(t, answers(t, *worker));
    }
    DomainServer next(t);
    REQUIRE_EQUAL(t, next.hint_line(*worker).word.load(), 0u);
    worker->ring_bell();
    REQUIRE(t, becomes(t, next, *worker, ThreadState::kUnplaced));
}

constexpr Entry kCases[] = {
    {"wakes_where_it_says", wakes_where_it_says},
    {"counts_as_none", counts_as_none},
    {"rotates", rotates},
    {"yields", yields},
    {"end_with_the_server", end_with_the_server},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_hints", kCases); }
