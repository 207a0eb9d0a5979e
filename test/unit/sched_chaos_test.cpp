// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <list>
#include <set>
#include <string>

#include "support/policy_bench.hpp"

using namespace test;

namespace {

constexpr std::uint64_t kMs = 1'000'000;

// Ten threads that sleep and work on two CPUs for a while -> who ran where, as text.
std::string history(const char* seed, const char* delay_us, std::string* complaint = nullptr) {
    PolicyBench bench("chaos", PolicyBench::cpus(2), {{"seed", seed}, {"delay_us", delay_us}});
    std::list<BenchTask> tasks;
    std::string text;
    std::uint64_t waits_since = 0;
    bool waited = false;
    bench.check = [&] {
        for (const std::uint32_t cpu : {0u, 1u}) {
            text += bench.on(cpu) != nullptr ? std::to_string(bench.on(cpu)->ref.index) : "-";
        }
        const bool idle = bench.on(0) == nullptr && bench.on(1) == nullptr;
        const bool work = std::ranges::any_of(tasks, &BenchTask::enqueued);
        const bool waits = idle && work;
        waits_since = !waits || !waited ? bench.now() : waits_since;
        waited = waits;
        return bench.now() - waits_since > std::stoull(delay_us) * 1000 ? std::string("too late") : "";
    };
    for (int i = 0; i < 10; ++i) {
        BenchTask& task = tasks.emplace_back();
        task.period_ns = 30 * kMs;
        bench.add(task, 0, static_cast<std::uint64_t>(1 + i) * kMs / 2);
    }
    bench.run_until(1000 * kMs);
    for (const BenchTask& task : tasks) {
        CHECK(task.finished >= 10);  // nobody was lost
    }
    CHECK(bench.number("preemptions") > 10);
    CHECK(bench.number("recalls") > 10);
    if (complaint != nullptr) {
        *complaint = bench.complaint;
    }
    return text;
}

}  // namespace

TEST_CASE("sched chaos: the same seed gives the same decisions, another seed others") {
    CHECK(history("1", "500") == history("1", "500"));
    CHECK(history("1", "500") != history("2", "500"));
}

TEST_CASE("sched chaos: the delay is kept to, with any seed") {
    for (const char* seed : {"1", "2", "3", "18446744073709551615"}) {
        for (const char* delay_us : {"0", "500", "5000"}) {
            std::string complaint;
            (void)history(seed, delay_us, &complaint);
            INFO("seed " << seed << " delay " << delay_us);
            CHECK(complaint == "");
        }
    }
}

TEST_CASE("sched chaos: threads wait though a CPU is idle, for at most what it says") {
    PolicyBench bench("chaos", PolicyBench::cpus(1), {{"delay_us", "1000"}});
    CHECK(bench.policy().may_idle_ns() == kMs + kMs / 10);  // a tick may be late
    int delayed = 0;
    for (std::uint64_t i = 0; i < 50; ++i) {
        BenchTask task;
        bench.add(task, i * 20 * kMs);
        delayed += bench.on(0) == nullptr ? 1 : 0;
        bench.run_until(i * 20 * kMs + kMs);
        REQUIRE(bench.on(0) == &task);
        bench.run_until((i + 1) * 20 * kMs);
        bench.exit(task);
    }
    CHECK(delayed > 30);
}

TEST_CASE("sched chaos: all CPUs and any order") {
    std::set<std::string> seen;
    for (int seed = 1; seed <= 64; ++seed) {
        const std::string text = std::to_string(seed);
        PolicyBench bench("chaos", PolicyBench::cpus(2), {{"seed", text}, {"delay_us", "100"}});
        std::array<BenchTask, 3> tasks;
        for (BenchTask& task : tasks) {
            bench.policy().enqueue(task, abi::Cause::kStarted, 0);
        }
        std::string order;
        for (const std::uint32_t cpu : {0u, 1u}) {
            const auto pick = bench.policy().pick_next(cpu, kMs);
            order += std::to_string(static_cast<BenchTask*>(pick->task) - tasks.data());
        }
        seen.insert(order);
    }
    CHECK(seen.size() == 6);
}

TEST_CASE("sched chaos: parameters are held to their bounds") {
    CHECK_THROWS_WITH(history("0", "1"),
                      "error: parameter seed=0 is not a number from 1 to 18446744073709551615");
    CHECK_THROWS_WITH(history("1", "100001"),
                      "error: parameter delay_us=100001 is not a number from 0 to 100000");
}
