// SPDX-License-Identifier: MIT
//
// The flags of a commit: at the head of a CPU's queue, in place of the thread that runs there, and back from
// there. The CPU is the last one. Where that is CPU 0, the test itself keeps it busy while it queues threads.
#include "support/observe.hpp"

#include <initializer_list>

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

constexpr int kPlace = 0;  // values[]: when the worker began to run, counted from 1
constexpr int kTurns = 1;  // of the first worker: how many have begun

std::uint64_t sign_in(Station& station, cap::Ring& ring) {
    auto& turns = static_cast<Station*>(station.argument)->values[kTurns];
    station.values[kPlace] = ++turns;
    return obey(station, ring);
}

// Spins where the others are placed, so that they queue.
Worker& add_blocker(Case& t, DomainServer& server, Crew& crew) {
    Worker& blocker = crew.add();
    if (!server.start(blocker, last_cpu(t)) ||
        (t.cpus() > 1 && !comes_to(t, blocker, ThreadState::kRunning))) {
        t.fail("the blocker does not run");
    }
    return blocker;
}

Worker& add_signer(Crew& crew, const Worker& first) {
    Worker& worker = crew.add({.main = sign_in, .argument = first.station, .order = Order::kWait});
    return worker;
}

void have_run_in_order(Case& t, std::initializer_list<const Worker*> workers) {
    std::uint64_t place = 0;
    for (const Worker* worker : workers) {
        const auto& value = worker->station->values[kPlace];
        REQUIRE(t, eventually(t.env.clock, [&] { return value.load() != 0; }));
        REQUIRE_EQUAL(t, value.load(), ++place);
    }
}

// Newest first among those put at the head, then oldest first.
void head_and_tail(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& blocker = add_blocker(t, server, crew);
    std::array<Worker*, 5> workers{};
    for (Worker*& worker : workers) {
        worker = &add_signer(crew, blocker);
        REQUIRE_OK(t, worker->thread.start());
    }
    constexpr std::uint32_t kFlags[] = {0, 0, abi::kCommitHead, abi::kCommitHead, 0};
    for (std::size_t i = 0; i < workers.size(); ++i) {
        REQUIRE_OK(t, server.place(*workers[i], last_cpu(t), kFlags[i]));
    }
    blocker.order(Order::kWait);
    have_run_in_order(t, {workers[3], workers[2], workers[0], workers[1], workers[4]});
}

void preempt_sends_the_running_thread_back(Case& t) {
    if (t.cpus() == 1) {
        return;  // while the test runs, nobody else does
    }
    DomainServer server(t);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    Worker& running = add_blocker(t, server, crew);
    Worker& queued = add_signer(crew, running);
    Worker& second = add_signer(crew, running);
    for (Worker* worker : {&queued, &second}) {
        REQUIRE_OK(t, worker->thread.start());
    }
    const std::uint32_t sequence = server.line(running).word.sequence();
    REQUIRE_OK(t, server.place(queued, cpu));
    server.forget();
    REQUIRE_OK(t, server.place(second, cpu, abi::kCommitPreempt));
    REQUIRE(t, becomes(t, server, running, ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, server.line(running).word.cause(), Cause::kRecalled);
    REQUIRE_EQUAL(t, server.line(running).word.sequence(), sequence + 1);
    // The CPU took the next one, not the one committed.
    have_run_in_order(t, {&queued, &second});
}

void preempt_at_the_head_runs_at_once(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    DomainServer server(t);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    Worker& running = add_blocker(t, server, crew);
    Worker& queued = add_signer(crew, running);
    Worker& urgent = add_signer(crew, running);
    for (Worker* worker : {&queued, &urgent}) {
        REQUIRE_OK(t, worker->thread.start());
    }
    REQUIRE_OK(t, server.place(queued, cpu));
    REQUIRE_OK(t, server.place(urgent, cpu, abi::kCommitHead | abi::kCommitPreempt));
    REQUIRE(t, becomes(t, server, running, ThreadState::kUnplaced));
    have_run_in_order(t, {&urgent, &queued});
}

void preempt_of_an_idle_cpu(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE_OK(t, server.place(worker, last_cpu(t), abi::kCommitPreempt));
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE(t, is_placed(server.line(worker).word));
}

void recall_of_a_queued_thread(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& blocker = add_blocker(t, server, crew);
    Worker& worker = crew.add();
    REQUIRE_OK(t, server.start(worker, last_cpu(t)));
    const std::uint32_t sequence = server.line(worker).word.sequence();
    server.forget();
    REQUIRE_OK(t, server.place(worker, last_cpu(t), abi::kCommitRecall));
    REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, server.line(worker).word.cause(), Cause::kRecalled);
    REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence + 1);
    REQUIRE(t, makes_progress(t, blocker));
    REQUIRE_OK(t, server.place(worker, last_cpu(t)));
    REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence + 2);
}

// The thread runs, or with one CPU only has just run. Sequence, CPU and slice of a recall are ignored.
void recall_of_a_running_thread(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    for (const std::uint32_t cpu : {0U, t.cpus(), 255U}) {
        REQUIRE_OK(t, server.place(worker, last_cpu(t)));
        REQUIRE(t, makes_progress(t, worker));
        const std::uint32_t sequence = server.line(worker).word.sequence();
        server.forget();
        REQUIRE_OK(t, server.commit(worker, sequence + 1000 + cpu, cpu, abi::kCommitRecall, 12345));
        REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
        REQUIRE_EQUAL(t, server.line(worker).word.cause(), Cause::kRecalled);
        REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence + 1);
    }
}

void recall_of_an_unplaced_thread_does_nothing(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    server.forget();
    const Line before = server.line(worker);
    for (const std::uint32_t sequence : {before.word.sequence(), before.word.sequence() + 1, 0U}) {
        REQUIRE_OK(t, server.commit(worker, sequence, 0, abi::kCommitRecall));
        REQUIRE_OK(t, server.commit(worker, sequence, 255, abi::kCommitRecall));
        REQUIRE(t, server.line(worker) == before);
    }
    REQUIRE(t, !server.heard(worker));
}

// Recalled again and again while it goes from CPU to CPU, it comes back each time.
void recall_many_times(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    for (std::uint32_t i = 0; i < 200; ++i) {
        REQUIRE_OK(t, server.place(worker, i % t.cpus()));
        if (i % 3 == 0) {
            REQUIRE(t, makes_progress(t, worker));
        }
        REQUIRE_OK(t, server.commit(worker, 0, 0, abi::kCommitRecall));
        REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
    }
}

constexpr Entry kCases[] = {
    {"head_and_tail", head_and_tail},
    {"preempt_sends_the_running_thread_back", preempt_sends_the_running_thread_back},
    {"preempt_at_the_head_runs_at_once", preempt_at_the_head_runs_at_once},
    {"preempt_of_an_idle_cpu", preempt_of_an_idle_cpu},
    {"recall_of_a_queued_thread", recall_of_a_queued_thread},
    {"recall_of_a_running_thread", recall_of_a_running_thread},
    {"recall_of_an_unplaced_thread_does_nothing", recall_of_an_unplaced_thread_does_nothing},
    {"recall_many_times", recall_many_times},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_flags", kCases); }
