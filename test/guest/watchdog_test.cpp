// SPDX-License-Identifier: MIT
//
// The watchdog: a thread of the domain that is left without a CPU for longer than `watchdog_ms` ends the
// server's rule, once; and nobody is blamed where nothing starves (docs/scheduling.md, "Fallback and
// watchdog"). Run with watchdog_ms=200.
#include "support/load.hpp"
#include "support/observe.hpp"
#include "support/server_process.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

constexpr std::uint64_t kWatchdogNs = 200 * kMillisecond;
constexpr std::uint64_t kStarvedLabel = 4711;  // looked for in the log

std::uint64_t hits(const Case& t) {
    const auto stats = sum_of_stats(t);
    return stats ? stats->watchdog_hits : ~std::uint64_t{0};
}

// Tells in values[1] why it was placed, by its own status line before it first stops. values[0]: its thread's
// slot.
std::uint64_t tell_cause(Station& station, cap::Ring& ring) {
    const cap::Thread self(abi::CapSlot::from_raw(station.values[0].load()));
    const auto status = self.status();
    station.values[1] = status ? static_cast<std::uint64_t>(status->word.cause()) : ~std::uint64_t{0};
    return obey(station, ring);
}

void server_ignores_all(Case& t) {
    const std::uint64_t before = hits(t);
    Crew crew(t);
    ServerProcess server(t, "fault=ignore");
    REQUIRE(t, server.is_ready());
    const Worker& worker = crew.add({.main = tell_cause, .label = kStarvedLabel});
    const auto slot = crew.process().give(worker.thread.slot(), abi::kRead);
    REQUIRE_OK(t, slot);
    worker.station->values[0] = slot->raw();
    const std::uint64_t begin = t.env.clock.now_ns();
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE(t, t.env.clock.now_ns() - begin >= kWatchdogNs);
    REQUIRE_EQUAL(t, worker.station->values[1].load(), static_cast<std::uint64_t>(Cause::kWatchdog));
    REQUIRE(t, worker.word().placed_by_kernel());
    REQUIRE_EQUAL(t, hits(t) - before, 1);
}

// Many threads starve on every CPU at once; that is said once, all of them run, and the next server takes
// over.
void many_starve(Case& t) {
    Load load(t, 2, 1);
    const std::uint64_t before = hits(t);
    {
        ServerProcess server(t, "fault=ignore");
        REQUIRE(t, eventually(t.env.clock, [&] { return hits(t) != before; }));
        for (int i = 0; i < 5; ++i) {
            REQUIRE(t, load.all_progress());
        }
        REQUIRE_EQUAL(t, hits(t) - before, 1);
    }
    ServerProcess next(t, "policy=round_robin");
    REQUIRE(t, next.is_ready());
    REQUIRE(t, load.all_progress());
}

void nothing_starves(Case& t) {
    const std::uint64_t before = hits(t);
    DomainServer server(t);
    const auto quiet = [&] {
        return throughout(t.env.clock, 3 * kWatchdogNs, [&] { return hits(t) == before; });
    };
    REQUIRE(t, quiet());  // without any thread
    Crew crew(t);
    crew.add();
    const Worker& waiting = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, server.start(waiting, last_cpu(t)));
    REQUIRE(t, becomes(t, server, waiting, ThreadState::kWaiting));
    REQUIRE(t, quiet());  // with threads that are created or wait
    const Worker& running = crew.add();
    REQUIRE_OK(t, server.start(running, last_cpu(t)));
    REQUIRE(t, quiet());  // with one that keeps its CPU
    REQUIRE(t, makes_progress(t, running));
    REQUIRE(t, is_placed(server.line(running).word));
}

void behind_an_endless_slice(Case& t) {
    if (t.cpus() == 1) {
        return;  // beside this thread the kernel's own slice holds
    }
    const std::uint64_t before = hits(t);
    DomainServer server(t);
    Crew crew(t);
    const Worker& running = crew.add();
    const Worker& queued = crew.add({.label = kStarvedLabel});
    REQUIRE_OK(t, server.start(running, last_cpu(t)));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE_OK(t, server.start(queued, last_cpu(t)));
    REQUIRE(t, makes_progress(t, queued));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE(t, makes_progress(t, queued));
    REQUIRE_EQUAL(t, hits(t) - before, 1);
    REQUIRE_ERROR(t, server.place(queued, 0), Error::kNotAttached);
}

// The thread at the queue's tail starves although the one at the head is always a new one.
void behind_a_changing_head(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    const std::uint64_t before = hits(t);
    DomainServer server(t);
    Crew crew(t);
    const Worker& running = crew.add();
    const Worker& queued = crew.add({.label = kStarvedLabel});
    const Worker& head = crew.add();
    REQUIRE_OK(t, server.start(running, last_cpu(t)));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE_OK(t, server.start(queued, last_cpu(t)));
    REQUIRE_OK(t, head.thread.start());
    const std::uint64_t begin = t.env.clock.now_ns();
    while (hits(t) == before) {
        REQUIRE(t, t.env.clock.now_ns() - begin < 20 * kWatchdogNs);
        (void)server.place(head, last_cpu(t), abi::kCommitHead);
        sleep_ns(kWatchdogNs / 20);
        (void)server.place(head, 0, abi::kCommitRecall);
        REQUIRE(t, eventually(t.env.clock,
                              [&] { return head.state() == ThreadState::kUnplaced || hits(t) != before; }));
    }
    REQUIRE(t, makes_progress(t, queued));
}

// What the agent's thread and the case share.
struct Task {
    DomainServer& server;
    std::uint32_t cpu;
    std::atomic<bool> overrun{false};
};

// Places everybody but those with the label; while `overrun`, stays on its CPU.
std::uint64_t serve(cap::Ring& ring, void* argument) {
    Task& task = *static_cast<Task*>(argument);
    const cap::SchedDomain domain = task.server.domain();
    for (;;) {
        while (const auto index = task.server.agent(task.cpu).events->take()) {
            const Line line = task.server.line(*index);
            if (line.word.state() == ThreadState::kUnplaced && line.label != kStarvedLabel) {
                (void)domain.commit(line.ref, line.word.sequence(), task.cpu, 0, kMillisecond);
            }
        }
        while (task.overrun.load()) {
            __builtin_ia32_pause();
        }
        if (!ring.call(cap::submission(abi::Op::kWaitEvents, domain.slot()))) {
            return 0;
        }
    }
}

// Wakes every few milliseconds, so that its CPU's agent always has something to do.
std::uint64_t wake_often(Station& station, cap::Ring&) {
    for (;;) {
        sleep_ns(3 * kMillisecond);
        station.beats.fetch_add(1);
    }
}

// An agent that is at work all the time and forgets one thread.
void forgotten_by_a_busy_agent(Case& t) {
    const std::uint64_t before = hits(t);
    DomainServer server(t, 0);
    Task task{server, last_cpu(t)};
    REQUIRE_OK(t, server.add_agent(task.cpu, serve, &task));
    REQUIRE_OK(t, server.agent(task.cpu).thread.start());
    Crew crew(t);
    const Worker& busy = crew.add({.main = wake_often, .first_cpu = task.cpu});
    const Worker& forgotten = crew.add({.first_cpu = task.cpu, .label = kStarvedLabel});
    REQUIRE_OK(t, busy.thread.start());
    REQUIRE(t, makes_progress(t, busy));
    REQUIRE_OK(t, forgotten.thread.start());
    REQUIRE(t, makes_progress(t, forgotten));
    REQUIRE_EQUAL(t, hits(t) - before, 1);
}

// An agent that goes round in circles and places nobody: it has been on its CPU all the time.
void agent_that_loops(Case& t) {
    const std::uint64_t before = hits(t);
    DomainServer server(t, 0);
    Task task{server, last_cpu(t)};
    REQUIRE_OK(t, server.add_agent(task.cpu, serve, &task));
    REQUIRE_OK(t, server.agent(task.cpu).thread.start());
    task.overrun = true;
    Crew crew(t);
    const Worker& worker = crew.add({.first_cpu = task.cpu, .label = kStarvedLabel});
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE_EQUAL(t, hits(t) - before, 1);
    task.overrun = false;
}

constexpr Entry kCases[] = {
    {"server_ignores_all", server_ignores_all},
    {"many_starve", many_starve},
    {"nothing_starves", nothing_starves},
    {"behind_an_endless_slice", behind_an_endless_slice},
    {"behind_a_changing_head", behind_a_changing_head},
    {"forgotten_by_a_busy_agent", forgotten_by_a_busy_agent},
    {"agent_that_loops", agent_that_loops},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "watchdog", kCases); }
