// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <cmath>
#include <list>
#include <numeric>
#include <random>

#include "support/policy_bench.hpp"

using namespace test;

namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr double kRequestNs = 3e6;

BenchTask of(std::uint32_t weight) { return BenchTask({.weight = weight}); }

double ran(const PolicyBench& bench, const BenchTask& task) {
    return static_cast<double>(task.ran_ns + (task.placed ? bench.now() - task.since_ns : 0));
}

// Threads that always want to run on one CPU: by how many requests the worst is ever ahead of its share or behind.
double worst_lag(const char* policy, const std::vector<std::uint32_t>& weights, bool sleepers) {
    PolicyBench bench(policy, PolicyBench::cpus(1));
    std::list<BenchTask> tasks;
    std::list<BenchTask> others;
    double total = 0;
    double worst = 0;
    bench.check = [&] {
        // What the hungry ones got together is what they share.
        double together = 0;
        for (const BenchTask& task : tasks) {
            together += ran(bench, task);
        }
        for (const BenchTask& task : tasks) {
            const double share = together * sched::Attributes::of(task.label).weight / total;
            worst = std::max(worst, std::abs(ran(bench, task) - share) / kRequestNs);
        }
        return std::string();
    };
    for (const std::uint32_t weight : weights) {
        total += weight;
        bench.add(tasks.emplace_back(sched::Attributes{.weight = weight}));
    }
    for (int i = 0; i < (sleepers ? 4 : 0); ++i) {
        BenchTask& task = others.emplace_back(sched::Attributes{.weight = 100});
        task.period_ns = static_cast<std::uint64_t>(7 + 5 * i) * kMs;
        bench.add(task, static_cast<std::uint64_t>(i) * kMs, kMs / 2);
    }
    bench.run_until(3000 * kMs);
    return worst;
}

}  // namespace

TEST_CASE("sched fair: nobody is ever more than a request and a bit away from the share of its weight") {
    CHECK(worst_lag("fair", {100, 100}, false) < 1.1);
    CHECK(worst_lag("fair", {100, 200, 300}, false) < 1.1);
    CHECK(worst_lag("fair", {1, 1, 4095}, false) < 1.1);
    CHECK(worst_lag("fair", {7, 100, 100, 350, 1000}, false) < 1.1);
}

TEST_CASE("sched fair: nor with others that come and go beside them") {
    CHECK(worst_lag("fair", {100, 200, 300}, true) < 2.1);
    CHECK(worst_lag("fair", {50, 50, 50, 50, 50, 50}, true) < 2.1);
}

TEST_CASE("sched fair: a policy that looks at no weights does not pass for it") {
    CHECK(worst_lag("work_stealing", {100, 200}, false) > 20);
    CHECK(worst_lag("fifo", {100, 100}, false) > 20);
}

TEST_CASE("sched fair: on several CPUs the shares are of the whole machine") {
    PolicyBench bench("fair", PolicyBench::cpus(2));
    std::list<BenchTask> tasks;
    for (const std::uint32_t weight : {100u, 100u, 200u, 300u, 300u}) {
        bench.add(tasks.emplace_back(sched::Attributes{.weight = weight}));
    }
    bench.run_until(5000 * kMs);
    for (const BenchTask& task : tasks) {
        const double share = 2.0 * 5000e6 * sched::Attributes::of(task.label).weight / 1000;
        CHECK(std::abs(ran(bench, task) - share) < 3 * kRequestNs);
    }
}

TEST_CASE("sched fair: who cannot use its share takes no credit for it") {
    PolicyBench bench("fair", PolicyBench::cpus(2));
    BenchTask heavy = of(1000), a = of(100), b = of(100), late = of(100);
    for (BenchTask* task : {&heavy, &a, &b}) {
        bench.add(*task);
    }
    bench.run_until(2000 * kMs);
    CHECK(ran(bench, heavy) > 1990e6);
    CHECK(std::abs(ran(bench, a) - 1000e6) < 8 * kRequestNs);
    CHECK(bench.number("lags_cut") > 0);
    late.affinity = 0b10;  // and the CPU that heavy has not been on all the time is nobody's
    bench.add(late, 2000 * kMs);
    bench.run_until(4000 * kMs);
    CHECK(ran(bench, late) > 600e6);
    CHECK(ran(bench, a) - 1000e6 > 600e6);
    CHECK(ran(bench, b) - 1000e6 > 600e6);
}

TEST_CASE("sched fair: two that are bound to one CPU do not make the others pay later") {
    PolicyBench bench("fair", PolicyBench::cpus(2));
    BenchTask x = of(100), y = of(100), alone = of(100), late = of(100);
    x.affinity = y.affinity = 0b01;
    alone.affinity = late.affinity = 0b10;
    for (BenchTask* task : {&x, &y, &alone}) {
        bench.add(*task);
    }
    bench.run_until(3000 * kMs);
    CHECK(ran(bench, alone) == 3000e6);
    bench.add(late, 3000 * kMs);
    bench.run_until(4000 * kMs);
    CHECK(ran(bench, late) > 400e6);
    CHECK(ran(bench, alone) > 3400e6);
}

TEST_CASE("sched fair: one that wakes runs at once if its deadline is the earliest") {
    PolicyBench bench("fair", PolicyBench::cpus(1));
    BenchTask busy = of(100), sleeper = of(400), light = of(10);
    bench.add(busy);
    bench.run_until(kMs);
    bench.add(sleeper, kMs, kMs / 10);
    CHECK(bench.on(0) == &sleeper);  // due in a quarter of busy's request
    bench.run_until(2 * kMs);
    CHECK(bench.on(0) == &busy);
    bench.add(light, 2 * kMs);
    CHECK(bench.on(0) == &busy);
    CHECK(bench.number("preemptions") == 1);
}

TEST_CASE("sched fair: sleep earns nothing beyond the lag that one went with") {
    PolicyBench bench("fair", PolicyBench::cpus(1));
    BenchTask a = of(100), b = of(100);
    bench.add(a);
    bench.add(b);
    bench.run_until(100 * kMs);
    bench.exit(b);
    BenchTask c = of(100);
    bench.add(c, 100 * kMs, 10 * kMs);
    c.wakes_ns = 10'000 * kMs;
    c.next_work_ns = ~std::uint64_t{0};
    bench.run_until(10'000 * kMs);
    const double before_a = ran(bench, a);
    const double before_c = ran(bench, c);
    bench.run_until(10'100 * kMs);
    CHECK(std::abs((ran(bench, a) - before_a) - (ran(bench, c) - before_c)) < 4 * kRequestNs);
}

TEST_CASE("sched fair: no CPU idles beside a thread that may run there") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        PolicyBench bench("fair", PolicyBench::cpus(3));
        std::list<BenchTask> tasks;
        std::mt19937 random(seed);
        bench.check = [&] {
            for (const BenchTask& task : tasks) {
                for (std::uint32_t cpu = 0; cpu < 3; ++cpu) {
                    if (task.enqueued && task.may_run_on(cpu) && bench.on(cpu) == nullptr) {
                        return "CPU " + std::to_string(cpu) + " idles";
                    }
                }
            }
            return std::string();
        };
        for (int i = 0; i < 12; ++i) {
            BenchTask& task = tasks.emplace_back(
                sched::Attributes{.weight = 1 + static_cast<std::uint32_t>(random() % 4095)});
            task.affinity = random() % 2 == 0 ? 1 + random() % 7 : ~std::uint64_t{0};
            task.period_ns = (5 + random() % 60) * kMs;
            bench.add(task, random() % (50 * kMs), (1 + random() % 9) * kMs);
        }
        bench.run_until(1000 * kMs);
        INFO("seed " << seed);
        CHECK(bench.complaint == "");
    }
}

TEST_CASE("sched fair: the request is held to its bounds, and decides how long one runs") {
    CHECK_THROWS_WITH(PolicyBench("fair", PolicyBench::cpus(1), {{"request_us", "199"}}),
                      "error: parameter request_us=199 is not a number from 200 to 1000000");
    PolicyBench bench("fair", PolicyBench::cpus(1), {{"request_us", "50000"}});
    BenchTask a = of(100), b = of(100);
    bench.add(a);
    bench.add(b);
    bench.run_until(50 * kMs - 1);
    CHECK(bench.on(0) == &a);
    bench.run_until(50 * kMs);
    CHECK(bench.on(0) == &b);
}
