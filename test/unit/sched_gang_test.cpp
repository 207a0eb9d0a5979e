// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <list>
#include <map>
#include <random>

#include "support/policy_bench.hpp"

using namespace test;

namespace {

constexpr std::uint64_t kMs = 1'000'000;

struct Rig {
    explicit Rig(std::size_t cpus, const char* policy = "gang") : bench(policy, PolicyBench::cpus(cpus)) {
        bench.check = [this] { return complaint(); };
    }
    BenchTask& add(std::uint32_t group, std::uint64_t affinity = ~std::uint64_t{0}) {
        BenchTask& task = tasks.emplace_back(sched::Attributes{.group = group});
        task.affinity = affinity;
        bench.add(task, bench.now());
        return task;
    }
    void add_many(std::uint32_t group, int count) {
        for (int i = 0; i < count; ++i) {
            add(group);
        }
    }
    // How long all threads of the group have run, taken together.
    std::uint64_t ran_ms(std::uint32_t group) const {
        std::uint64_t sum = 0;
        for (const BenchTask& task : tasks) {
            if (sched::Attributes::of(task.label).group == group) {
                sum += task.ran_ns + (task.placed ? bench.now() - task.since_ns : 0);
            }
        }
        return sum / kMs;
    }
    // All or none.
    std::string complaint() const {
        std::map<std::uint32_t, std::pair<int, int>> gangs;
        for (const BenchTask& task : tasks) {
            auto& [runs, waits] = gangs[sched::Attributes::of(task.label).group];
            runs += task.placed ? 1 : 0;
            waits += task.enqueued ? 1 : 0;
        }
        for (const auto& [group, count] : gangs) {
            if (group != 0 && checked && count.first != 0 && count.second != 0) {
                return "of group " + std::to_string(group) + " run " + std::to_string(count.first) +
                       ", wait " + std::to_string(count.second);
            }
        }
        return {};
    }

    bool checked = true;
    std::list<BenchTask> tasks;
    PolicyBench bench;
};

}  // namespace

TEST_CASE("sched gang: gangs take turns, all of one or none, and have the same time") {
    Rig rig(2);
    rig.add_many(1, 2);
    rig.add_many(2, 2);
    rig.bench.run_until(1000 * kMs);
    CHECK(rig.bench.complaint == "");
    CHECK(rig.ran_ms(1) == 1000);
    CHECK(rig.ran_ms(2) == 1000);
}

TEST_CASE("sched gang: with gangs of any size, threads that sleep, loners and affinities it is all or none") {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        Rig rig(4);
        std::mt19937 random(seed);
        for (std::uint32_t group = 1; group <= 5; ++group) {
            const int size = 1 + static_cast<int>(random() % 4);
            for (int i = 0; i < size; ++i) {
                rig.add(group, random() % 4 == 0 ? std::uint64_t{1} << i : ~std::uint64_t{0});
            }
        }
        rig.add_many(0, 3);
        rig.bench.run_until(700 * kMs);
        INFO("seed " << seed);
        CHECK(rig.bench.complaint == "");
        for (std::uint32_t group = 0; group <= 5; ++group) {
            CHECK(rig.ran_ms(group) >= 100);
        }
    }
}

TEST_CASE("sched gang: policies that know no gangs do not pass for it") {
    for (const char* policy : {"fair", "priority", "work_stealing"}) {
        Rig rig(3, policy);
        rig.add_many(1, 2);
        rig.add_many(2, 2);
        rig.bench.run_until(1000 * kMs);
        CHECK(rig.bench.complaint != "");
    }
}

TEST_CASE("sched gang: two that fit run beside each other, loners fill what is left") {
    Rig rig(6);
    rig.add_many(1, 2);
    rig.add_many(2, 2);
    rig.add_many(0, 2);
    rig.bench.run_until(100 * kMs);
    CHECK(rig.ran_ms(1) == 200);
    CHECK(rig.ran_ms(2) == 200);
    CHECK(rig.ran_ms(0) == 200);
}

TEST_CASE("sched gang: a CPU stays idle rather than run a fragment, for no longer than it says") {
    Rig rig(4);
    rig.add_many(1, 3);
    rig.add_many(2, 2);
    CHECK(rig.bench.policy().may_idle_ns() == 4 * 10 * kMs);
    rig.bench.run_until(400 * kMs);
    CHECK(rig.bench.complaint == "");
    CHECK(rig.ran_ms(1) == 600);
    CHECK(rig.ran_ms(2) == 410);  // its first thread fitted beside the others until its second came
}

TEST_CASE("sched gang: one that is larger than the machine runs in parts, and each of it gets on") {
    Rig rig(2);
    rig.checked = false;
    rig.add_many(1, 5);
    rig.bench.run_until(1000 * kMs);
    for (BenchTask& task : rig.tasks) {
        rig.bench.block(task);
        CHECK(task.ran_ns >= 350 * kMs);
    }
    CHECK(rig.bench.number("gangs_run_in_parts") > 50);
}

TEST_CASE("sched gang: loners beside a gang of all CPUs get their turns, and take turns among themselves") {
    Rig rig(2);
    rig.add_many(1, 2);
    rig.add_many(0, 4);
    rig.bench.run_until(1200 * kMs);
    CHECK(rig.bench.complaint == "");
    CHECK(rig.ran_ms(1) == 1200);
    for (BenchTask& task : rig.tasks) {
        rig.bench.block(task);
        CHECK(task.ran_ns >= 250 * kMs);
    }
}

TEST_CASE("sched gang: a thread that comes in its gang's slot joins it, and takes the CPU of a loner") {
    Rig rig(2);
    const BenchTask& first = rig.add(1);
    const BenchTask& loner = rig.add(0);
    REQUIRE(rig.bench.on(0) == &first);
    REQUIRE(rig.bench.on(1) == &loner);
    rig.bench.run_until(kMs);
    const BenchTask& second = rig.add(1);
    CHECK(rig.bench.on(0) == &first);
    CHECK(rig.bench.on(1) == &second);
    CHECK(loner.enqueued);
}

TEST_CASE("sched gang: when the threads of a gang sleep, the next one does not wait for the slot's end") {
    Rig rig(2);
    BenchTask& a = rig.add(1);
    BenchTask& b = rig.add(1);
    rig.add_many(2, 2);
    rig.bench.run_until(kMs);
    rig.bench.block(a);
    CHECK(rig.bench.on(0) == nullptr);
    rig.bench.block(b);
    CHECK(rig.bench.on(0) != nullptr);
    CHECK(rig.bench.on(1) != nullptr);
    CHECK(rig.bench.complaint == "");
}

TEST_CASE("sched gang: more groups than it has room for count as loners, and entries are used again") {
    Rig rig(2);
    rig.checked = false;
    for (std::uint32_t group = 1; group <= 300; ++group) {
        rig.add(group);
    }
    rig.bench.run_until(5000 * kMs);
    for (std::uint32_t group = 1; group <= 300; ++group) {
        CHECK(rig.ran_ms(group) >= 10);
    }
    while (!rig.tasks.empty()) {
        rig.bench.exit(rig.tasks.front());
        rig.tasks.pop_front();
    }
    rig.checked = true;
    rig.add_many(299, 2);
    rig.add_many(300, 2);
    rig.bench.run_until(6000 * kMs);
    CHECK(rig.bench.complaint == "");
}

TEST_CASE("sched gang: the slot is held to its bounds") {
    CHECK_THROWS_WITH(PolicyBench("gang", PolicyBench::cpus(1), {{"slot_us", "999"}}),
                      "error: parameter slot_us=999 is not a number from 1000 to 1000000");
}
