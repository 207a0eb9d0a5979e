// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <list>
#include <random>

#include "support/policy_bench.hpp"

using namespace test;

namespace {

constexpr std::uint64_t kMs = 1'000'000;

BenchTask of(std::uint32_t priority) { return BenchTask({.priority = priority}); }

std::uint32_t priority(const BenchTask& task) { return sched::Attributes::of(task.label).priority; }

// The policy's first invariant.
std::string complaint(const PolicyBench& bench, const std::list<BenchTask>& tasks, std::size_t cpus) {
    for (const BenchTask& task : tasks) {
        for (std::uint32_t cpu = 0; cpu < cpus && task.enqueued; ++cpu) {
            const BenchTask* const runs = bench.on(cpu);
            if (task.may_run_on(cpu) && (runs == nullptr || priority(*runs) < priority(task))) {
                return "priority " + std::to_string(priority(task)) + " waits for CPU " + std::to_string(cpu);
            }
        }
    }
    return {};
}

// Threads of any priority and affinity come, work, sleep and go -> the first complaint.
std::string random_run(const char* policy, unsigned seed) {
    constexpr std::size_t kCpus = 3;
    PolicyBench bench(policy, PolicyBench::cpus(kCpus));
    std::list<BenchTask> tasks;
    std::mt19937 random(seed);
    bench.check = [&] { return complaint(bench, tasks, kCpus); };
    for (int i = 0; i < 12; ++i) {
        BenchTask& task =
            tasks.emplace_back(sched::Attributes{.priority = 1 + static_cast<std::uint32_t>(random() % 6)});
        task.affinity = random() % 3 == 0 ? 1 + random() % 7 : ~std::uint64_t{0};
        task.period_ns = (5 + random() % 40) * kMs;
        bench.add(task, random() % (50 * kMs), (1 + random() % 9) * kMs);
    }
    bench.run_until(500 * kMs);
    return bench.complaint;
}

}  // namespace

TEST_CASE("sched priority: the most urgent one first, first in, first out within one priority") {
    PolicyBench bench("priority", PolicyBench::cpus(1));
    BenchTask first = of(7), second = of(7), urgent = of(200), unset;
    sched::Policy& policy = bench.policy();
    for (BenchTask* task : {&first, &second, &urgent, &unset}) {
        policy.enqueue(*task, abi::Cause::kStarted, 0);
    }
    for (BenchTask* task : {&urgent, &unset, &first, &second}) {  // unset counts as 128
        REQUIRE(policy.pick_next(0, 0)->task == task);
        task->cpu = 0;
        policy.stopped(*task, abi::Cause::kBlocked, 0);
    }
    CHECK(!policy.pick_next(0, 0));
}

TEST_CASE(
    "sched priority: one that wakes takes the CPU of the least urgent, who goes on first when it is free") {
    PolicyBench bench("priority", PolicyBench::cpus(2), {{"slice_us", "100000"}});
    BenchTask low = of(10), middle = of(20), beside = of(10), urgent = of(30);
    bench.add(middle);
    bench.add(low);
    bench.add(beside);
    REQUIRE(bench.on(0) == &middle);
    REQUIRE(bench.on(1) == &low);
    bench.run_until(kMs);
    bench.add(urgent, kMs);
    CHECK(bench.on(0) == &middle);
    CHECK(bench.on(1) == &urgent);
    CHECK(bench.number("preemptions") == 1);
    bench.block(urgent);
    CHECK(bench.on(1) == &low);  // before `beside`, though that has waited for longer
}

TEST_CASE("sched priority: equals take turns, a slice each, and slice_us=0 lets them run on") {
    PolicyBench bench("priority", PolicyBench::cpus(1), {{"slice_us", "2000"}});
    BenchTask a = of(50), b = of(50), low = of(49);
    bench.add(a);
    bench.add(b);
    bench.add(low);
    bench.run_until(40 * kMs - 1);
    CHECK(bench.on(0) == &b);
    bench.run_until(40 * kMs);
    CHECK(a.ran_ns == 20 * kMs);
    CHECK(b.ran_ns == 20 * kMs);
    CHECK(low.ran_ns == 0);

    PolicyBench without("priority", PolicyBench::cpus(1), {{"slice_us", "0"}});
    BenchTask c = of(50), d = of(50);
    without.add(c);
    without.add(d);
    CHECK(without.policy().next_tick_ns() == sched::kNever);
    without.run_until(1000 * kMs);
    CHECK(without.on(0) == &c);
}

TEST_CASE("sched priority: no slice ends for an equal that may not run there") {
    PolicyBench bench("priority", PolicyBench::cpus(2), {{"slice_us", "1000"}});
    BenchTask a = of(50), b = of(60), bound = of(50);
    b.affinity = bound.affinity = 0b10;
    bench.add(a);
    bench.add(b);
    bench.add(bound);
    bench.run_until(10 * kMs);
    CHECK(bench.on(0) == &a);
    CHECK(bench.on(1) == &b);
    CHECK(bound.ran_ns == 0);
}

TEST_CASE("sched priority: nobody waits while somebody less urgent runs, whatever happens") {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        INFO("seed " << seed);
        CHECK(random_run("priority", seed) == "");
    }
}

TEST_CASE("sched priority: a policy that goes by the order of arrival does not pass for it") {
    CHECK(random_run("fifo", 1) != "");
    CHECK(random_run("fair", 1) != "");
}

TEST_CASE("sched priority: a refused preemption leaves the victim where it is, and is made again") {
    PolicyBench bench("priority", PolicyBench::cpus(1));
    sched::Policy& policy = bench.policy();
    BenchTask low = of(1), urgent = of(2);
    policy.enqueue(low, abi::Cause::kStarted, 0);
    REQUIRE(policy.pick_next(0, 0)->task == &low);
    policy.enqueue(urgent, abi::Cause::kStarted, 1);
    REQUIRE(policy.preempt(1) == 0u);
    REQUIRE(policy.pick_next(0, 1)->task == &urgent);
    CHECK(!policy.preempt(1));  // while it is under way
    policy.stopped(urgent, abi::Cause::kNone, 2);
    policy.enqueue(urgent, abi::Cause::kStarted, 2);
    CHECK(policy.preempt(2) == 0u);
}

TEST_CASE("sched priority: the slice is held to its bounds") {
    CHECK_THROWS_WITH(PolicyBench("priority", PolicyBench::cpus(1), {{"slice_us", "1000001"}}),
                      "error: parameter slice_us=1000001 is not a number from 0 to 1000000");
}
