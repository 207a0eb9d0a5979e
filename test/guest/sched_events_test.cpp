// SPDX-License-Identifier: MIT
//
// Events: which changes post one, to whom, and that a line stands in at most one ring, at most once
// (docs/scheduling.md, "Events"). The agents are silent, so events stay until the case takes them.
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// How often the line stands in the agent's ring, and in all rings.
std::uint64_t standing_at(const AgentSeat& agent, std::uint32_t line) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; agent.published(i); ++i) {
        count += static_cast<std::uint32_t>(agent.entry(i)) == line;
    }
    return count;
}

std::uint64_t standing(Case& t, DomainServer& server, std::uint32_t line) {
    std::uint64_t count = 0;
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        count += standing_at(server.agent(cpu), line);
    }
    return count;
}

// Posts the event of an unplaced thread again.
void touch(Case& t, const DomainServer& server, const Worker& worker) {
    const std::uint32_t wrong = server.line(worker).word.sequence() + 1;
    REQUIRE_ERROR(t, server.commit(worker, wrong, 0), Error::kStaleSequence);
}

void coalesce(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    for (int i = 0; i < 50; ++i) {
        touch(t, server, worker);
        REQUIRE_OK(t, worker.thread.set_affinity(1));
        REQUIRE_EQUAL(t, standing(t, server, worker.ref.index), 1);
    }
    server.forget();
    REQUIRE_EQUAL(t, standing(t, server, worker.ref.index), 0);
    touch(t, server, worker);
    touch(t, server, worker);
    REQUIRE_EQUAL(t, standing(t, server, worker.ref.index), 1);
}

// Twice round the ring: every position has its lap, and the ring does not fill. (Nothing else happens
// meanwhile: no thread of the domain has run yet.)
void positions_and_laps(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    server.forget();
    AgentSeat& agent = server.agent(0);
    const std::uint64_t first = agent.events->position();
    constexpr std::uint64_t kEvents = 2 * std::uint64_t{abi::kEventEntries} + 100;
    for (std::uint64_t i = 0; i < kEvents; ++i) {
        REQUIRE(t, !agent.published());
        touch(t, server, worker);
        REQUIRE_EQUAL(t, agent.entry(), kEventShape.entry(first + i, worker.ref.index));
        REQUIRE(t, !agent.published(1));
        REQUIRE_EQUAL(t, server.listen(), 1);
    }
    REQUIRE_EQUAL(t, agent.head().load(), first + kEvents);
}

void many_lines(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    constexpr int kWorkers = 200;
    for (std::uint32_t i = 0; i < kWorkers; ++i) {
        REQUIRE_OK(t, crew.add({.first_cpu = i % t.cpus()}).thread.start());
        REQUIRE(t, !t.failed());
    }
    for (const Worker& worker : crew.workers()) {
        REQUIRE_EQUAL(t, standing(t, server, worker.ref.index), 1);
        REQUIRE_OK(t, worker.thread.kill(0));
        REQUIRE_EQUAL(t, standing(t, server, worker.ref.index), 1);
    }
    for (const Worker& worker : crew.workers()) {
        REQUIRE(t, server.heard(worker));
        REQUIRE_EQUAL(t, server.line(worker).word.state(), ThreadState::kGone);
    }
}

// Posted when the CPU has no thread of the domain left, and not again while it stays so.
void idle_cpu(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, worker.thread.start());
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        server.forget();
        worker.order(Order::kSpin);
        REQUIRE_OK(t, server.place(worker, cpu));
        REQUIRE(t, makes_progress(t, worker));
        REQUIRE_EQUAL(t, server.cpu_line(cpu).word.state(), ThreadState::kRunning);
        REQUIRE_EQUAL(t, server.cpu_line(cpu).ref.raw(), cpu);
        REQUIRE(t, !server.heard_cpu(cpu));
        const std::uint32_t sequence = server.cpu_line(cpu).word.sequence();

        worker.order(Order::kWait);
        REQUIRE(t, becomes(t, server, worker, ThreadState::kWaiting));
        REQUIRE(t, eventually(t.env.clock, [&] { return server.heard_cpu(cpu); }));
        REQUIRE_EQUAL(t, server.cpu_line(cpu).word.state(), ThreadState::kWaiting);
        REQUIRE_EQUAL(t, server.cpu_line(cpu).word.cpu(), cpu);
        REQUIRE_EQUAL(t, server.cpu_line(cpu).word.sequence(), sequence + 1);
        REQUIRE(t, throughout(t.env.clock, 3 * kMillisecond, [&] { return !server.heard_cpu(cpu); }));
        worker.ring_bell();
        REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
    }
}

void to_the_agent_of_its_cpu(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const Worker& worker = crew.add({.first_cpu = cpu});
        REQUIRE_OK(t, worker.thread.start());
        REQUIRE_EQUAL(t, standing_at(server.agent(cpu), worker.ref.index), 1);
    }
}

void to_the_lowest_agent_otherwise(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    DomainServer server(t, ~std::uint64_t{1});  // none on CPU 0
    Crew crew(t);
    const Worker& worker = crew.add({.first_cpu = 0});
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE_EQUAL(t, standing_at(server.agent(1), worker.ref.index), 1);
    REQUIRE(t, server.heard(worker));
    // Without an agent a CPU is the domain's all the same.
    REQUIRE_OK(t, server.place(worker, 0));
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE_OK(t, worker.thread.kill(0));
    REQUIRE(t, becomes(t, server, worker, ThreadState::kGone));
}

// Told whatever the thread does; one that may not be where it is leaves.
void affinity(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& unplaced = crew.add();
    const Worker& waiting = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, unplaced.thread.start());
    REQUIRE_OK(t, server.start(waiting, last_cpu(t)));
    REQUIRE(t, becomes(t, server, waiting, ThreadState::kWaiting));
    for (const Worker* const worker : {&unplaced, &waiting}) {
        server.forget();
        const std::uint64_t word = server.line(*worker).word.raw;
        REQUIRE_OK(t, worker->thread.set_affinity(1));
        REQUIRE(t, server.heard(*worker));
        REQUIRE_EQUAL(t, server.line(*worker).affinity, 1);
        REQUIRE_EQUAL(t, server.line(*worker).word.raw, word);
        REQUIRE_ERROR(t, worker->thread.set_affinity(0), Error::kBadArgument);
    }
}

// One of them runs, the other is queued behind it.
void affinity_takes_away(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    DomainServer server(t);
    Crew crew(t);
    const Worker& running = crew.add({.affinity = 2, .first_cpu = 1});
    const Worker& queued = crew.add({.affinity = 2, .first_cpu = 1});
    REQUIRE_OK(t, server.start(running, 1));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE_OK(t, server.start(queued, 1));
    for (const Worker* const worker : {&running, &queued}) {
        REQUIRE_OK(t, worker->thread.set_affinity(3));
        REQUIRE(t, is_placed(server.line(*worker).word));
    }
    for (const Worker* const worker : {&queued, &running}) {
        server.forget();
        REQUIRE_OK(t, worker->thread.set_affinity(1));
        REQUIRE(t, becomes(t, server, *worker, ThreadState::kUnplaced));
        REQUIRE_EQUAL(t, server.line(*worker).word.cause(), Cause::kAffinityChanged);
    }
}

constexpr Entry kCases[] = {
    {"positions_and_laps", positions_and_laps},
    {"coalesce", coalesce},
    {"many_lines", many_lines},
    {"idle_cpu", idle_cpu},
    {"to_the_agent_of_its_cpu", to_the_agent_of_its_cpu},
    {"to_the_lowest_agent_otherwise", to_the_lowest_agent_otherwise},
    {"affinity", affinity},
    {"affinity_takes_away", affinity_takes_away},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_events", kCases); }
