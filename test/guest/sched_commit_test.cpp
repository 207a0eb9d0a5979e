// SPDX-License-Identifier: MIT
//
// Commits: success, and each refusal in the documented order, with what it changes (docs/scheduling.md,
// "Commits").
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// Refused, without an event or any other change.
void refused(Case& t, DomainServer& server, const Worker& worker, Error expected, std::uint32_t sequence,
             std::uint32_t cpu, std::uint32_t flags = 0) {
    server.forget();
    const Line before = server.line(worker);
    REQUIRE_ERROR(t, server.commit(worker, sequence, cpu, flags), expected);
    REQUIRE(t, server.line(worker) == before);
    REQUIRE(t, !server.heard(worker));
}

void life_of_a_thread(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.label = 77});
    const std::uint32_t created = server.line(worker).word.sequence();
    REQUIRE_EQUAL(t, server.line(worker).word.state(), ThreadState::kCreated);
    server.forget();

    REQUIRE_OK(t, worker.thread.start());
    Line line = server.line(worker);
    REQUIRE_EQUAL(t, line.word.state(), ThreadState::kUnplaced);
    REQUIRE_EQUAL(t, line.word.cause(), Cause::kStarted);
    REQUIRE_EQUAL(t, line.word.sequence(), created + 1);
    REQUIRE_EQUAL(t, line.wakes, 1);
    REQUIRE_EQUAL(t, line.label, 77);
    REQUIRE_EQUAL(t, line.domain, 1);
    REQUIRE(t, line.ref == worker.ref);
    REQUIRE(t, server.heard(worker));
    REQUIRE_EQUAL(t, worker.beats(), 0);

    REQUIRE_OK(t, server.place(worker, last_cpu(t)));
    line = server.line(worker);
    REQUIRE(t, is_placed(line.word));
    REQUIRE_EQUAL(t, line.word.cpu(), last_cpu(t));
    REQUIRE_EQUAL(t, line.word.sequence(), created + 2);
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE_EQUAL(t, server.line(worker).word.sequence(), created + 2);
    REQUIRE(t, !server.heard(worker));

    worker.order(Order::kWait);
    REQUIRE(t, becomes(t, server, worker, ThreadState::kWaiting));
    line = server.line(worker);
    REQUIRE_EQUAL(t, line.word.cause(), Cause::kBlocked);
    REQUIRE_EQUAL(t, line.word.sequence(), created + 3);
    REQUIRE(t, line.runtime_ns > 0);

    worker.ring_bell();
    line = server.line(worker);
    REQUIRE_EQUAL(t, line.word.state(), ThreadState::kUnplaced);
    REQUIRE_EQUAL(t, line.word.cause(), Cause::kWoken);
    REQUIRE_EQUAL(t, line.word.sequence(), created + 4);
    REQUIRE_EQUAL(t, line.wakes, 2);
    REQUIRE(t, server.heard(worker));

    worker.station->values[0] = 5;
    worker.order(Order::kExit);
    REQUIRE_OK(t, server.place(worker, 0));
    REQUIRE(t, becomes(t, server, worker, ThreadState::kGone));
    line = server.line(worker);
    REQUIRE_EQUAL(t, line.word.cause(), Cause::kExited);
    REQUIRE_EQUAL(t, line.word.sequence(), created + 6);
    REQUIRE_EQUAL(t, worker.station->waits_done.load(), 1);
}

// A thread beside the test on CPU 0 goes on and off the CPU as the kernel rotates them.
void sequence_stays_on_dispatch(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, server.start(worker, 0));
    const std::uint32_t sequence = server.line(worker).word.sequence();
    for (int i = 0; i < 5; ++i) {
        REQUIRE(t, makes_progress(t, worker));
        REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence);
    }
}

void not_attached(Case& t) {
    Crew crew(t);
    const Worker& worker = crew.add();
    const auto domain = t.env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain());
    REQUIRE_ERROR(t, domain.commit(worker.ref, 0, 0, 0, 0), Error::kNotAttached);
    {
        DomainServer server(t, 0);
        // Attached, but without an agent the kernel still places.
        REQUIRE_ERROR(t, server.place(worker, 0), Error::kNotAttached);
    }
    {
        DomainServer server(t);
        REQUIRE_ERROR(t, server.place(worker, 0), Error::kNotRunnable);
        REQUIRE_OK(t, domain.detach());
        REQUIRE_ERROR(t, server.place(worker, 0), Error::kNotAttached);
        // The first check of all.
        REQUIRE_ERROR(t, domain.commit({.index = 1, .generation = 0}, 0, 255, 255, 0), Error::kNotAttached);
    }
}

void without_the_right(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    const auto slot = server.domain().derive(abi::kRead | abi::kManage | abi::kExecute);
    REQUIRE_OK(t, slot);
    const cap::SchedDomain weak(*slot);
    const Line before = server.line(worker);
    REQUIRE_ERROR(t, weak.commit(worker.ref, before.word.sequence(), 0, 0, 0), Error::kNoRight);
    REQUIRE(t, server.line(worker) == before);
    weak.drop();
}

void stale_ref(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    const Line before = server.line(worker);
    const abi::ThreadRef forged[] = {
        {worker.ref.index, 0},
        {worker.ref.index, worker.ref.generation + 1},
        {worker.ref.index, worker.ref.generation - 1},
        {worker.ref.index, ~0U},
        {abi::kMaxThreads - 1, 1},
        {abi::kMaxThreads, 1},
        {abi::kStatusLines, 1},
        {~0U, worker.ref.generation},
        {~0U, ~0U},
        {0x8000'0000U | worker.ref.index, worker.ref.generation},
    };
    server.forget();
    for (const abi::ThreadRef ref : forged) {
        for (const std::uint32_t cpu : {0U, 255U}) {
            REQUIRE_ERROR(t, server.domain().commit(ref, before.word.sequence(), cpu, 0, 0),
                          Error::kStaleRef);
        }
    }
    REQUIRE(t, server.line(worker) == before);
    REQUIRE(t, !server.heard(worker));
}

void not_in_domain(Case& t) {
    DomainServer server(t);
    const auto own = t.env.thread.ref();
    const auto agent = server.agent(0).thread.ref();
    REQUIRE_OK(t, own);
    REQUIRE_OK(t, agent);
    for (const abi::ThreadRef ref : {*own, *agent}) {
        const Line before = server.line(ref.index);
        REQUIRE_EQUAL(t, before.domain, 0);
        REQUIRE_ERROR(t, server.domain().commit(ref, before.word.sequence(), 0, 0, 0), Error::kNotInDomain);
        REQUIRE_ERROR(t, server.domain().commit(ref, 12345, 255, 255, 0), Error::kNotInDomain);
        REQUIRE_ERROR(t, server.domain().commit(ref, 0, 0, abi::kCommitRecall, 0), Error::kNotInDomain);
    }
}

void gone(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& created = crew.add();
    const Worker& unplaced = crew.add();
    REQUIRE_OK(t, unplaced.thread.start());
    for (const Worker* worker : {&created, &unplaced}) {
        server.forget();
        REQUIRE_OK(t, worker->thread.kill(3));
        const Line line = server.line(*worker);
        REQUIRE_EQUAL(t, line.word.state(), ThreadState::kGone);
        REQUIRE_EQUAL(t, line.word.cause(), Cause::kKilled);
        REQUIRE(t, server.heard(*worker));
        refused(t, server, *worker, Error::kGone, line.word.sequence(), 0);
        refused(t, server, *worker, Error::kGone, line.word.sequence() + 1, 255, 255);
        refused(t, server, *worker, Error::kGone, 0, 0, abi::kCommitRecall);
    }
}

void not_runnable(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& created = crew.add();
    const Worker& waiting = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, waiting.thread.start());
    server.forget();  // so that the event below is the one of blocking
    REQUIRE_OK(t, server.place(waiting, last_cpu(t)));
    REQUIRE(t, becomes(t, server, waiting, ThreadState::kWaiting));
    for (const Worker* worker : {&created, &waiting}) {
        const std::uint32_t sequence = server.line(*worker).word.sequence();
        refused(t, server, *worker, Error::kNotRunnable, sequence, 0);
        refused(t, server, *worker, Error::kNotRunnable, sequence - 1, 255, 255);
        refused(t, server, *worker, Error::kNotRunnable, sequence, 0, abi::kCommitRecall);
    }
}

constexpr Entry kCases[] = {
    {"life_of_a_thread", life_of_a_thread},
    {"sequence_stays_on_dispatch", sequence_stays_on_dispatch},
    {"not_attached", not_attached},
    {"without_the_right", without_the_right},
    {"stale_ref", stale_ref},
    {"not_in_domain", not_in_domain},
    {"gone", gone},
    {"not_runnable", not_runnable},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_commit", kCases); }
