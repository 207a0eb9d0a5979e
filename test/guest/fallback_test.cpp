// SPDX-License-Identifier: MIT
//
// Threads of the domain live through anything that becomes of their server: none, one that is killed at any
// moment, one that ends by itself; and the next one takes over all of them (docs/scheduling.md, "Fallback").
#include "support/load.hpp"
#include "support/observe.hpp"
#include "support/server_process.hpp"

namespace {

using namespace test;

constexpr std::uint64_t kFaultExit = 9;  // of sched-server with fault=exit_after
constexpr std::uint64_t kExitFailed = 3;

bool load_progresses(Load& load) {
    if (load.all_progress()) {
        return true;
    }
    load.fail_with_who_stands_still();
    return false;
}

bool some_placed_by_kernel(Load& load) {
    for (const Worker& worker : load.crew().workers()) {
        if (worker.word().placed_by_kernel()) {
            return true;
        }
    }
    return false;
}

std::uint64_t fallback_dispatches(Case& t) {
    const auto stats = sum_of_stats(t);
    return stats ? stats->fallback_dispatches : 0;
}

void no_server(Case& t) {
    const auto before = sum_of_stats(t);
    REQUIRE_OK(t, before);
    Load load(t, 2, 1);
    for (int i = 0; i < 5; ++i) {
        REQUIRE(t, load_progresses(load));
    }
    REQUIRE(t, some_placed_by_kernel(load));
    const auto after = sum_of_stats(t);
    REQUIRE_OK(t, after);
    REQUIRE(t, after->fallback_dispatches >= before->fallback_dispatches + load.crew().workers().size());
    REQUIRE_EQUAL(t, after->server_dispatches, before->server_dispatches);
    REQUIRE_EQUAL(t, after->watchdog_hits, before->watchdog_hits);
}

// From then on, whatever the kernel had placed has been handed over: not one more dispatch is the kernel's
// decision.
void taken_over(Case& t, Load& load) {
    REQUIRE(t, eventually(t.env.clock, [&] { return !some_placed_by_kernel(load); }));
    const std::uint64_t dispatches = fallback_dispatches(t);
    REQUIRE(t, load_progresses(load));
    REQUIRE(t, load_progresses(load));
    REQUIRE_EQUAL(t, fallback_dispatches(t), dispatches);
}

// Killed while it serves; without a server all goes on; the next one takes over.
void killed_under_load(Case& t) {
    Load load(t, 2, 1);
    Random random(t.seed);
    for (int round = 0; round < 10 && !t.failed(); ++round) {
        ServerProcess server(t, "policy=round_robin");
        REQUIRE(t, server.is_ready());
        taken_over(t, load);
        delay_ticks(random.below(t.env.clock.ticks(3 * kMillisecond)));
        server.kill();
        const auto code = server.wait_exit();
        REQUIRE_OK(t, code);
        REQUIRE_EQUAL(t, *code, ServerProcess::kKilled);
        REQUIRE(t, load_progresses(load));
    }
}

// Killed at any moment of its start: before it attaches, between its agents, while it adopts.
void killed_while_it_starts(Case& t) {
    Load load(t, 1, 1);
    Random random(t.seed);
    for (int round = 0; round < 16 && !t.failed(); ++round) {
        ServerProcess server(t, "policy=round_robin");
        sleep_ns(random.below(4 * kMillisecond));
        server.kill();
        REQUIRE_OK(t, server.wait_exit());
        REQUIRE(t, load_progresses(load));
    }
    ServerProcess server(t, "policy=round_robin");
    REQUIRE(t, server.is_ready());
    taken_over(t, load);
}

// Ends by itself after so many commits, in the middle of whatever it does.
void ends_by_itself(Case& t) {
    Load load(t, 1, 2);
    Random random(t.seed);
    for (int round = 0; round < 8 && !t.failed(); ++round) {
        cap::LineBuffer<64> arguments;
        arguments.print("policy=round_robin fault=exit_after={}", 1 + random.below(50));
        ServerProcess server(t, arguments.view());
        const auto code = server.wait_exit();
        REQUIRE_OK(t, code);
        REQUIRE_EQUAL(t, *code, kFaultExit);
        REQUIRE(t, load_progresses(load));
    }
}

// One server at a time: the second one is refused, and the first one serves on.
void second_server(Case& t) {
    Load load(t, 1, 1);
    ServerProcess first(t, "policy=round_robin");
    REQUIRE(t, first.is_ready());
    ServerProcess second(t, "policy=fifo");
    const auto code = second.wait_exit();
    REQUIRE_OK(t, code);
    REQUIRE_EQUAL(t, *code, kExitFailed);
    taken_over(t, load);
}

constexpr Entry kCases[] = {
    {"no_server", no_server},
    {"killed_under_load", killed_under_load},
    {"killed_while_it_starts", killed_while_it_starts},
    {"ends_by_itself", ends_by_itself},
    {"second_server", second_server},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "fallback", kCases); }
