// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <list>
#include <random>

#include "support/policy_bench.hpp"

using namespace test;

namespace {

constexpr std::uint64_t kMs = 1'000'000;

struct Demand {
    std::uint64_t budget_ms;
    std::uint64_t period_ms;
};

BenchTask of(Demand demand) {
    return BenchTask({.period_ns = demand.period_ms * kMs, .budget_ns = demand.budget_ms * kMs});
}

std::vector<sched::Setting> whole() { return {{"utilisation_percent", "100"}}; }

// Every thread wakes each period and works for its budget -> how many were late, by the test's own count.
std::uint64_t late_jobs(const char* policy, const std::vector<Demand>& demands, std::uint64_t until_ms) {
    PolicyBench bench(policy, PolicyBench::cpus(1),
                      std::string_view(policy) == "edf" ? whole() : std::vector<sched::Setting>());
    std::list<BenchTask> tasks;
    for (const Demand& demand : demands) {
        BenchTask& task = tasks.emplace_back(
            sched::Attributes{.period_ns = demand.period_ms * kMs, .budget_ns = demand.budget_ms * kMs});
        task.period_ns = demand.period_ms * kMs;
        bench.add(task, 0, demand.budget_ms * kMs);
    }
    bench.run_until(until_ms * kMs);
    std::uint64_t late = 0;
    for (const BenchTask& task : tasks) {
        late += task.late;
        CHECK(task.finished > 0);
    }
    if (std::string_view(policy) == "edf") {
        CHECK(bench.number("admitted") == demands.size());
        CHECK(bench.number("deadline_misses") == late);
    }
    return late;
}

}  // namespace

TEST_CASE("sched edf: an admitted set of exactly 100 % on one CPU misses no deadline") {
    CHECK(late_jobs("edf", {{50, 100}, {30, 100}, {20, 100}}, 3000) == 0);
    CHECK(late_jobs("edf", {{20, 50}, {30, 100}, {45, 150}}, 9000) == 0);
    CHECK(late_jobs("edf", {{20, 50}, {42, 70}}, 7000) == 0);
    CHECK(late_jobs("edf", {{100, 300}, {100, 300}, {100, 300}}, 3000) == 0);
}

TEST_CASE("sched edf: nor do random sets of up to 100 %") {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        std::mt19937 random(seed);
        std::vector<Demand> demands;
        double sum = 0;
        for (int i = 0; i < 12; ++i) {
            const std::uint64_t period = 5 + random() % 120;
            const std::uint64_t budget = 1 + random() % std::max<std::uint64_t>(period / 2, 1);
            const double share = static_cast<double>(budget) / static_cast<double>(period);
            if (sum + share <= 1) {
                sum += share;
                demands.push_back({budget, period});
            }
        }
        INFO("seed " << seed << " sum " << sum);
        CHECK(late_jobs("edf", demands, 5000) == 0);
    }
}

TEST_CASE("sched edf: other policies miss deadlines of such sets, and the test sees it") {
    CHECK(late_jobs("fifo", {{20, 50}, {42, 70}}, 7000) > 0);
    CHECK(late_jobs("priority", {{20, 50}, {42, 70}}, 7000) > 0);
    CHECK(late_jobs("fair", {{20, 50}, {42, 70}}, 7000) > 0);
}

TEST_CASE("sched edf: admitted is what fits, first fit, and what has gone leaves room") {
    PolicyBench bench("edf", PolicyBench::cpus(2), whole());
    BenchTask a = of({60, 100}), b = of({50, 100}), c = of({40, 100}), d = of({51, 100}), e = of({50, 100});
    BenchTask impossible = of({200, 100}), bound = of({10, 100});
    bound.affinity = 0b01;
    for (BenchTask* task : {&a, &b, &c}) {  // a and c on CPU 0, b on CPU 1
        bench.add(*task);
        bench.block(*task);
    }
    CHECK(bench.number("admitted") == 3);
    bound.period_ns = 200 * kMs;
    bench.add(d);
    bench.add(impossible);
    bench.add(bound, 0, kMs);
    CHECK(bench.number("admitted") == 3);
    CHECK(bench.number("refused") == 3);
    bench.add(e);
    CHECK(bench.number("admitted") == 4);
    bench.exit(c);               // it waits, and the policy must hear of it all the same
    bench.run_until(300 * kMs);  // whoever was refused asks again when it wakes
    CHECK(bench.number("admitted") == 5);
    CHECK(bench.number("refused") == 3);
}

TEST_CASE("sched edf: the default leaves a twentieth of each CPU") {
    PolicyBench bench("edf", PolicyBench::cpus(1));
    BenchTask a = of({96, 100}), b = of({95, 100});
    bench.add(a);
    bench.add(b);
    CHECK(bench.number("admitted") == 1);
    CHECK(bench.number("refused") == 1);
}

TEST_CASE(
    "sched edf: one that wants more than its budget delays nobody that is admitted, and gets what is left") {
    PolicyBench bench("edf", PolicyBench::cpus(1), whole());
    BenchTask greedy = of({20, 100}), honest = of({70, 100});
    honest.period_ns = 100 * kMs;
    bench.add(greedy);
    bench.add(honest, 0, 70 * kMs);
    bench.run_until(10'000 * kMs);
    CHECK(honest.late == 0);
    CHECK(bench.number("deadline_misses") == 0);
    CHECK(bench.number("budgets_used_up") >= 99);
    CHECK(greedy.ran_ns + honest.ran_ns >= 9'900 * kMs);  // its 20 %, and the 10 % that nobody else wants
}

TEST_CASE("sched edf: one that wakes all the time gets no more than its bandwidth") {
    PolicyBench bench("edf", PolicyBench::cpus(1), whole());
    BenchTask restless = of({20, 100}), background;
    restless.period_ns = 3 * kMs;  // works 2 ms of every 3
    bench.add(restless, 0, 2 * kMs);
    bench.add(background);
    bench.run_until(10'000 * kMs);
    bench.block(background);
    CHECK(background.ran_ns >
          5'500 * kMs);  // at least half of what is beyond the 20 %, since they take turns there
    CHECK(bench.number("deadline_misses") == 0);
}

TEST_CASE("sched edf: the background takes turns, and makes room for who is admitted") {
    PolicyBench bench("edf", PolicyBench::cpus(1), {{"slice_us", "2000"}});
    BenchTask a, b, periodic = of({10, 100});
    bench.add(a);
    bench.add(b);
    bench.run_until(20 * kMs);
    CHECK(a.ran_ns == 10 * kMs);
    periodic.period_ns = 100 * kMs;
    bench.add(periodic, 20 * kMs, 10 * kMs);
    CHECK(bench.on(0) == &periodic);
    bench.run_until(1020 * kMs - 1);
    CHECK(periodic.ran_ns == 100 * kMs);
    CHECK(periodic.late == 0);
    CHECK(a.ran_ns > 440 * kMs);
    CHECK(b.ran_ns > 440 * kMs);
}

TEST_CASE("sched edf: an idle CPU helps, and what it does counts") {
    PolicyBench bench("edf", PolicyBench::cpus(2), whole());
    BenchTask a = of({50, 100}), b = of({50, 100});
    bench.add(a, 0, 50 * kMs);
    bench.add(b, 0, 50 * kMs);  // at home on CPU 0, too
    CHECK(bench.on(1) == &b);
    CHECK(bench.number("helped") == 1);
    bench.run_until(50 * kMs);
    CHECK(b.finished == 1);
}

TEST_CASE("sched edf: threads of a CPU that is taken find another home or the background") {
    PolicyBench bench("edf", PolicyBench::cpus(2), whole());
    sched::Policy& policy = bench.policy();
    BenchTask a = of({80, 100}), b = of({20, 100}), c = of({90, 100});
    for (BenchTask* task : {&a, &b, &c}) {
        policy.enqueue(*task, abi::Cause::kStarted, 0);
    }
    policy.cpu_taken(0, 1);  // c stays on CPU 1; neither a nor b fits beside it
    CHECK(bench.number("refused") == 2);
    CHECK(policy.pick_next(1, 1)->task == &c);
}

TEST_CASE("sched edf: a deadline that passes unserved is counted, once") {
    PolicyBench bench("edf", PolicyBench::cpus(1), whole());
    sched::Policy& policy = bench.policy();
    BenchTask task = of({10, 100});
    policy.enqueue(task, abi::Cause::kStarted, 0);
    REQUIRE(policy.pick_next(0, 150 * kMs)->task == &task);
    CHECK(bench.number("deadline_misses") == 1);
    task.runtime_ns = 5 * kMs;
    policy.stopped(task, abi::Cause::kBlocked, 155 * kMs);
    CHECK(bench.number("deadline_misses") == 1);
    policy.enqueue(task, abi::Cause::kWoken, 160 * kMs);
    REQUIRE(policy.pick_next(0, 160 * kMs)->task == &task);
    policy.stopped(task, abi::Cause::kBlocked, 400 * kMs);
    CHECK(bench.number("deadline_misses") == 2);
}

TEST_CASE("sched edf: parameters are held to their bounds") {
    CHECK_THROWS_WITH(PolicyBench("edf", PolicyBench::cpus(1), {{"utilisation_percent", "101"}}),
                      "error: parameter utilisation_percent=101 is not a number from 1 to 100");
    CHECK_THROWS_WITH(PolicyBench("edf", PolicyBench::cpus(1), {{"slice_us", "1"}}),
                      "error: parameter slice_us=1 is not a number from 100 to 1000000");
}

// A server without a reservation, called by one that has: as the dispatcher tells the policy.
TEST_CASE("sched edf: a thread that is called runs on its caller's budget and deadline") {
    for (const bool inherits : {true, false}) {
        INFO("inherit=" << inherits);
        PolicyBench bench("edf", PolicyBench::cpus(1),
                          {{"utilisation_percent", "100"}, {"inherit", inherits ? "1" : "0"}});
        BenchTask client = of({20, 50}), other = of({40, 100}), server, hog;
        bench.add(client);
        bench.run_until(5 * kMs);
        bench.add(other, 5 * kMs);
        bench.add(hog, 5 * kMs);
        bench.call(client, server);  // 15 ms of its budget are left, until 50 ms
        CHECK(bench.on(0) == (inherits ? &server : &other));
        if (!inherits) {
            continue;
        }
        bench.run_until(20 * kMs);
        CHECK(server.ran_ns == 15 * kMs);
        CHECK(bench.number("budgets_used_up") == 1);
        CHECK(bench.on(0) == &other);  // the caller's budget is used up
        bench.run_until(50 * kMs);
        CHECK(bench.on(0) == &server);  // the caller has a new one, and an earlier deadline
        bench.run_until(55 * kMs);
        bench.answer(server, client);
        CHECK(bench.on(0) == &client);
        bench.run_until(70 * kMs);
        CHECK(client.ran_ns == 5 * kMs + 15 * kMs);  // of the second 20 ms the server has used 5
        CHECK(bench.on(0) == &other);
        CHECK(bench.number("deadline_misses") == 0);
    }
}

TEST_CASE("sched edf: a claim that is withdrawn is not used any more") {
    PolicyBench bench("edf", PolicyBench::cpus(1), whole());
    BenchTask client = of({20, 50}), other = of({40, 100}), server;
    bench.add(client);
    bench.add(other);
    bench.call(client, server);
    bench.run_until(10 * kMs);
    REQUIRE(bench.on(0) == &server);
    bench.donate(server, nullptr);
    CHECK(bench.on(0) == &other);
    bench.run_until(20 * kMs);
    bench.wake_caller(client);  // its time was up: 10 ms are left, until 50 ms
    CHECK(bench.on(0) == &client);
    bench.run_until(30 * kMs);
    CHECK(bench.on(0) == &other);
    CHECK(client.ran_ns == 10 * kMs);
}

TEST_CASE("sched edf: nobody runs on the claim of one whose CPU it may not use") {
    PolicyBench bench("edf", PolicyBench::cpus(2), whole());
    BenchTask client = of({20, 50}), server, first, second;
    client.affinity = 0b01;
    server.affinity = 0b10;
    bench.add(client);
    bench.add(first);
    bench.call(client, server);
    bench.add(second);
    CHECK(bench.on(1) == &first);  // it came before the server
}
