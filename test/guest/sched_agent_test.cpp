// SPDX-License-Identifier: MIT
//
// Agents: kWaitEvents, kCommitAndWait, precedence on their CPU, and the budget that ends it (docs/scheduling.md, "Waiting for
// events").
#include "support/observe.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// What the agent's thread and the case share.
struct Task {
    DomainServer& server;
    std::uint32_t cpu;
    std::atomic<std::uint64_t> step{0};  // counted by the agent
    std::atomic<bool> busy{false};       // set by the case: the agent does not wait
    std::array<std::atomic<std::int64_t>, 8> results{};
};

constexpr std::int64_t number(Error error) { return static_cast<std::int64_t>(error); }

void add_agent(Case& t, Task& task, cap::ThreadFunction function) {
    REQUIRE_OK(t, task.server.add_agent(task.cpu, function, &task));
    REQUIRE_OK(t, task.server.agent(task.cpu).thread.start());
}

bool reaches(Case& t, const Task& task, std::uint64_t step) {
    return eventually(t.env.clock, [&] { return task.step.load() >= step; });
}

bool agent_waits(Case& t, Task& task) {
    const cap::Thread thread = task.server.agent(task.cpu).thread;
    return eventually(t.env.clock, [&] {
        const auto status = thread.status();
        return status && status->word.state() == ThreadState::kWaiting;
    });
}

abi::Submission wait_events(const Task& task, std::uint64_t user_data) {
    return cap::submission(abi::Op::kWaitEvents, task.server.domain().slot(), user_data);
}

// Submits the operation and waits for one completion -> its result, or why there was none.
std::int64_t wait_once(Task& task, cap::Ring& ring, std::uint64_t user_data, std::uint64_t timeout_ns) {
    if (!ring.prepare(wait_events(task, user_data))) {
        return number(Error::kQueueFull);
    }
    const auto waited = ring.submit_and_wait(1, timeout_ns);
    const auto completion = ring.next();
    return completion ? completion->result : waited ? 0 : number(waited.error());
}

std::uint64_t wait_in_every_way(cap::Ring& ring, void* argument) {
    Task& task = *static_cast<Task*>(argument);
    AgentSeat& seat = task.server.agent(task.cpu);
    // Until there is an entry, and again while it is not released.
    task.results[0] = wait_once(task, ring, 1, abi::kForever);
    task.results[1] = wait_once(task, ring, 2, abi::kForever);
    while (seat.events->take()) {
    }
    // A time-out leaves the operation in flight, and there can be one only.
    task.results[2] = wait_once(task, ring, 3, 2 * kMillisecond);
    task.results[3] = wait_once(task, ring, 4, abi::kForever);
    task.step = 1;
    (void)ring.submit_and_wait(1);
    const auto late = ring.next();
    task.results[4] = late && late->user_data == 3 ? late->result : 0;
    while (seat.events->take()) {
    }
    task.step = 2;
    // Until the server is the server no more.
    task.results[5] = wait_once(task, ring, 5, abi::kForever);
    task.results[6] = wait_once(task, ring, 6, abi::kForever);
    task.step = 3;
    return 0;
}

void wait_for_events(Case& t) {
    DomainServer server(t, 0);
    Crew crew(t);
    Task task{server, last_cpu(t)};
    add_agent(t, task, wait_in_every_way);
    REQUIRE(t, agent_waits(t, task));
    const Worker& worker = crew.add({.first_cpu = task.cpu});
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE(t, reaches(t, task, 1));
    REQUIRE_EQUAL(t, task.results[0].load(), 1);
    REQUIRE_EQUAL(t, task.results[1].load(), 1);
    REQUIRE_EQUAL(t, task.results[2].load(), number(Error::kTimedOut));
    REQUIRE_EQUAL(t, task.results[3].load(), number(Error::kBusy));
    REQUIRE_ERROR(t, server.commit(worker, 0, 0), Error::kStaleSequence);
    REQUIRE(t, reaches(t, task, 2));
    REQUIRE_EQUAL(t, task.results[4].load(), 1);
    REQUIRE(t, agent_waits(t, task));
    REQUIRE_OK(t, server.domain().detach());
    REQUIRE(t, reaches(t, task, 3));
    REQUIRE_EQUAL(t, task.results[5].load(), number(Error::kNotAttached));
    REQUIRE_EQUAL(t, task.results[6].load(), number(Error::kNotAttached));
}

void wait_refused(Case& t) {
    DomainServer server(t);
    Task task{server, 0};
    // This thread is no agent; and the operation is for rings only.
    REQUIRE_EQUAL(t, wait_once(task, t.env.ring, 1, abi::kForever), number(Error::kWrongState));
    const auto call = cap::cap_call(server.domain().slot(), abi::Op::kWaitEvents);
    REQUIRE_EQUAL(t, call.result, number(Error::kBadOperation));
    const auto slot = server.domain().derive(abi::kWrite | abi::kManage);
    REQUIRE_OK(t, slot);
    REQUIRE_ERROR(t, t.env.ring.call(cap::submission(abi::Op::kWaitEvents, *slot)), Error::kNoRight);
    cap::Capability(*slot).drop();
}

std::int64_t commit_and_wait(const Task& task, abi::ThreadRef ref, std::uint32_t sequence,
                             std::uint64_t timeout_ns = abi::kForever) {
    const std::uint64_t word = abi::commit_word(sequence, task.cpu, 0);
    return cap::cap_call(task.server.domain().slot(), abi::Op::kCommitAndWait, ref.raw(), word, abi::kNoSlice,
                         timeout_ns)
        .result;
}

struct CallTask : Task {
    abi::ThreadRef never_started;
    cap::Notification bell;
};

std::uint64_t call_in_every_way(cap::Ring& ring, void* argument) {
    CallTask& task = *static_cast<CallTask*>(argument);
    auto& events = *task.server.agent(task.cpu).events;
    // A commit that is refused does not wait.
    task.results[0] = commit_and_wait(task, task.never_started, 0);
    task.results[1] = commit_and_wait(task, {}, 0, 0);
    do {  // the CPU may go idle for the first time, which is an event
        while (events.take()) {
        }
        task.results[2] = commit_and_wait(task, {}, 0, 2 * kMillisecond);
    } while (task.results[2] == 0);
    // A completion ends the wait.
    (void)ring.prepare(cap::submission(abi::Op::kWaitBits, task.bell.slot(), 7));
    (void)ring.submit_and_wait(0, 0);
    task.step = 1;
    task.results[3] = commit_and_wait(task, {}, 0);
    const auto rung = ring.next();
    task.results[4] = rung ? rung->result : 0;
    // So does an event: again while it is not released. Then the thread is placed, and the wait is for the next event.
    task.step = 2;
    task.results[5] = commit_and_wait(task, {}, 0);
    task.results[6] = commit_and_wait(task, {}, 0);
    while (const auto line = events.take()) {
        const Line seen = task.server.line(*line);
        if (seen.word.state() == ThreadState::kUnplaced) {
            (void)commit_and_wait(task, seen.ref, seen.word.sequence());
        }
    }
    task.step = 3;
    while (commit_and_wait(task, {}, 0) == 0) {  // until the server is the server no more
        while (events.take()) {
        }
    }
    task.results[7] = commit_and_wait(task, {}, 0);
    task.step = 4;
    return 0;
}

void wait_in_the_call(Case& t) {
    DomainServer server(t, 0);
    Crew crew(t);
    const auto made = t.env.process.create_notification();
    REQUIRE_OK(t, made);
    const Owned bell(*made);
    CallTask task{{server, last_cpu(t)}, {}, *bell};
    const Worker& never = crew.add({.first_cpu = task.cpu});
    const auto ref = never.thread.ref();
    REQUIRE_OK(t, ref);
    task.never_started = *ref;
    add_agent(t, task, call_in_every_way);
    REQUIRE(t, reaches(t, task, 1));
    REQUIRE_EQUAL(t, task.results[0].load(), number(Error::kNotRunnable));
    REQUIRE_EQUAL(t, task.results[1].load(), number(Error::kTimedOut));
    REQUIRE_EQUAL(t, task.results[2].load(), number(Error::kTimedOut));
    REQUIRE(t, agent_waits(t, task));
    REQUIRE_OK(t, bell->signal(4));
    REQUIRE(t, reaches(t, task, 2));
    REQUIRE_EQUAL(t, task.results[3].load(), 1);
    REQUIRE_EQUAL(t, task.results[4].load(), 4);
    REQUIRE(t, agent_waits(t, task));
    const Worker& worker = crew.add({.first_cpu = task.cpu});
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE(t, makes_progress(t, worker));
    REQUIRE_EQUAL(t, task.results[5].load(), 0);
    REQUIRE_EQUAL(t, task.results[6].load(), 0);
    REQUIRE_OK(t, worker.thread.kill(0));
    REQUIRE(t, reaches(t, task, 3));
    REQUIRE(t, agent_waits(t, task));
    REQUIRE_OK(t, server.domain().detach());
    REQUIRE(t, reaches(t, task, 4));
    REQUIRE_EQUAL(t, task.results[7].load(), number(Error::kWrongState));
}

void wait_in_the_call_refused(Case& t) {
    DomainServer server(t);
    const Task task{server, 0};
    REQUIRE_EQUAL(t, commit_and_wait(task, {}, 0), number(Error::kWrongState));  // this thread is no agent
    const auto submitted = t.env.ring.call(cap::submission(abi::Op::kCommitAndWait, server.domain().slot()));
    REQUIRE_ERROR(t, submitted, Error::kBadOperation);
    for (const abi::Rights lacking : {abi::kRead, abi::kWrite}) {
        const auto slot = server.domain().derive(abi::kAllRights & ~lacking);
        REQUIRE_OK(t, slot);
        const cap::SchedDomain narrowed(*slot);
        REQUIRE_ERROR(t, narrowed.commit_and_wait({}, 0, 0, 0), Error::kNoRight);
        narrowed.drop();
    }
}

// Takes events, and after each time counts a step.
std::uint64_t take_events(cap::Ring& ring, void* argument) {
    Task& task = *static_cast<Task*>(argument);
    while (wait_once(task, ring, 1, abi::kForever) == 1) {
        while (task.server.agent(task.cpu).events->take()) {
        }
        ++task.step;
    }
    return 0;
}

// The agent interrupts a thread that would keep the CPU for ever; the thread goes on afterwards and has not
// been dispatched anew.
void goes_first(Case& t) {
    DomainServer server(t, 0);
    Crew crew(t);
    Task task{server, last_cpu(t)};
    add_agent(t, task, take_events);
    const Worker& spinning = crew.add({.first_cpu = task.cpu});
    const Worker& unplaced = crew.add({.first_cpu = task.cpu});
    REQUIRE_OK(t, server.start(spinning, task.cpu));
    REQUIRE(t, makes_progress(t, spinning));
    REQUIRE_OK(t, unplaced.thread.start());
    const std::uint32_t sequence = server.line(spinning).word.sequence();
    const auto before = t.machine.cpu_stats(task.cpu);
    REQUIRE_OK(t, before);
    for (int i = 0; i < 20; ++i) {
        REQUIRE(t, agent_waits(t, task));
        const std::uint64_t step = task.step;
        REQUIRE_ERROR(t, server.commit(unplaced, 0, 0), Error::kStaleSequence);
        REQUIRE(t, reaches(t, task, step + 1));
        REQUIRE(t, makes_progress(t, spinning));
    }
    const auto after = t.machine.cpu_stats(task.cpu);
    REQUIRE_OK(t, after);
    REQUIRE_EQUAL(t, server.line(spinning).word.sequence(), sequence);
    REQUIRE(t, after->agent_dispatches - before->agent_dispatches >= 20);
    if (t.cpus() > 1) {
        REQUIRE_EQUAL(t, after->server_dispatches - before->server_dispatches, 0);
    }
}

std::uint64_t overrun(cap::Ring& ring, void* argument) {
    Task& task = *static_cast<Task*>(argument);
    while (wait_once(task, ring, 1, abi::kForever) == 1) {
        while (task.server.agent(task.cpu).events->take()) {
        }
        ++task.step;
        while (task.busy.load()) {
            __builtin_ia32_pause();
        }
    }
    return 0;
}

// An agent that does not stop queues with the others after its budget; once it has waited it goes first
// again.
void budget(Case& t) {
    DomainServer server(t, 0);
    Crew crew(t);
    Task task{server, last_cpu(t)};
    add_agent(t, task, overrun);
    const Worker& worker = crew.add({.first_cpu = task.cpu});
    const auto agent = server.agent(task.cpu).thread.ref();
    REQUIRE_OK(t, agent);
    REQUIRE_OK(t, server.start(worker, task.cpu));
    for (int round = 0; round < 3; ++round) {
        REQUIRE(t, makes_progress(t, worker));
        REQUIRE(t, agent_waits(t, task));
        task.busy = true;
        const std::uint64_t step = task.step;
        REQUIRE_OK(t, server.place(worker, task.cpu, abi::kCommitRecall));
        REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
        REQUIRE_OK(t, server.place(worker, task.cpu));
        REQUIRE(t, reaches(t, task, step + 1));
        REQUIRE(t, makes_progress(t, worker));
        REQUIRE(t, makes_progress(t, worker));
        const Cause cause =
            server.line(agent->index).word.cause();  // the second if it has had more turns since
        REQUIRE(t, cause == Cause::kAgentOverrun || cause == Cause::kFallbackSlice);
        task.busy = false;
    }
}

// Commits what it hears of, and waits, in one call.
std::uint64_t place_everything(cap::Ring& ring, void* argument) {
    Task& task = *static_cast<Task*>(argument);
    for (;;) {
        while (const auto index = task.server.agent(task.cpu).events->take()) {
            const Line line = task.server.line(*index);
            auto commit = cap::submission(abi::Op::kCommit, task.server.domain().slot(), 2, line.ref.raw(),
                                          abi::commit_word(line.word.sequence(), task.cpu, 0));
            commit.flags = abi::kQuietSuccess;
            if (line.word.state() == ThreadState::kUnplaced && !ring.prepare(commit)) {
                return 1;
            }
        }
        ++task.step;
        if (wait_once(task, ring, 1, abi::kForever) != 1) {
            return 0;
        }
    }
}

void commits_and_wait_in_one_call(Case& t) {
    DomainServer server(t, 0);
    Crew crew(t);
    Task task{server, last_cpu(t)};
    add_agent(t, task, place_everything);
    for (int i = 0; i < 10; ++i) {
        REQUIRE_OK(t, crew.add({.order = Order::kWait}).thread.start());
    }
    for (std::uint64_t round = 1; round <= 10; ++round) {
        for (const Worker& worker : crew.workers()) {
            const auto& done = worker.station->waits_done;
            REQUIRE(t, eventually(t.env.clock, [&] { return done.load() + 1 == round; }));
            worker.ring_bell();
        }
    }
}

constexpr Entry kCases[] = {
    {"wait_for_events", wait_for_events},
    {"wait_refused", wait_refused},
    {"wait_in_the_call", wait_in_the_call},
    {"wait_in_the_call_refused", wait_in_the_call_refused},
    {"goes_first", goes_first},
    {"budget", budget},
    {"commits_and_wait_in_one_call", commits_and_wait_in_one_call},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_agent", kCases); }
