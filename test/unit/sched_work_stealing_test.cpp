// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <list>

#include "support/policy_bench.hpp"

using namespace test;

namespace {

constexpr std::uint64_t kMs = 1'000'000;

// CPU 0's neighbours: 1 its core, 2 its cache, 4 its node, 6 none of these. (2,3), (4,5), (6,7) are cores, too.
std::vector<sched::CpuPlace> places() {
    std::vector<sched::CpuPlace> all(8);
    for (std::size_t cpu = 0; cpu < all.size(); ++cpu) {
        all[cpu] = {.core = static_cast<std::uint16_t>(cpu / 2),
                    .cache = static_cast<std::uint16_t>(cpu < 4 ? 0 : cpu / 2),
                    .node = static_cast<std::uint16_t>(cpu < 6 ? 0 : 1),
                    .served = true};
    }
    return all;
}

struct Stealing {
    Stealing() : bench("work_stealing", places()), policy(bench.policy()) {
        for (std::uint32_t cpu = 0; cpu < 8; ++cpu) {  // none is idle, so all that is queued may be stolen
            BenchTask& task = running.emplace_back();
            task.cpu = cpu;
            policy.adopt(task, 0);
        }
    }
    void queue_on(BenchTask& task, std::uint32_t cpu) {
        task.last_cpu = cpu;
        policy.enqueue(task, abi::Cause::kWoken, 0);
    }
    void make_idle(std::uint32_t cpu) {
        policy.stopped(*std::next(running.begin(), cpu), abi::Cause::kBlocked, 0);
    }
    sched::Task* task_for(std::uint32_t cpu) {
        const auto pick = policy.pick_next(cpu, 0);
        return pick ? pick->task : nullptr;
    }

    PolicyBench bench;
    sched::Policy& policy;
    std::list<BenchTask> running;
};

}  // namespace

TEST_CASE("sched work_stealing: its own queue first, oldest first, then the nearest, oldest first") {
    Stealing rig;
    std::array<BenchTask, 6> tasks;
    rig.queue_on(tasks[0], 6);
    rig.queue_on(tasks[1], 4);
    rig.queue_on(tasks[2], 2);
    rig.queue_on(tasks[3], 1);
    rig.queue_on(tasks[4], 0);
    rig.queue_on(tasks[5], 0);
    rig.make_idle(0);
    for (const std::size_t expected : {4u, 5u, 3u, 2u, 1u, 0u}) {
        const auto pick = rig.policy.pick_next(0, 0);
        REQUIRE(pick);
        CHECK(pick->task == &tasks[expected]);
        pick->task->cpu = 0;
        rig.policy.stopped(*pick->task, abi::Cause::kBlocked, 0);
    }
    CHECK(rig.task_for(0) == nullptr);
    CHECK(rig.bench.number("steals") == 4);
}

TEST_CASE("sched work_stealing: of several that are as near, from the longest queue; affinity is kept") {
    Stealing rig;
    std::array<BenchTask, 4> tasks;
    rig.queue_on(tasks[0], 2);
    rig.queue_on(tasks[1], 3);
    rig.queue_on(tasks[2], 3);
    tasks[3].affinity = 0b10;
    rig.queue_on(tasks[3], 1);
    rig.make_idle(0);
    CHECK(rig.task_for(0) == &tasks[1]);  // not tasks[3], which is nearer but must not
}

TEST_CASE("sched work_stealing: a thread queues where it ran, or at the nearest CPU that it may use") {
    Stealing rig;
    std::array<BenchTask, 2> tasks;
    tasks[0].affinity = 0b1101'0000;
    rig.queue_on(tasks[0], 5);  // 4 is the same core
    rig.queue_on(tasks[1], 4);
    rig.make_idle(4);
    CHECK(rig.task_for(4) == &tasks[0]);
    CHECK(rig.bench.number("steals") == 0);
}

TEST_CASE("sched work_stealing: the only thread of an idle CPU is left to it") {
    Stealing rig;
    std::array<BenchTask, 2> tasks;
    rig.make_idle(0);
    rig.make_idle(2);
    rig.queue_on(tasks[0], 2);
    CHECK(rig.task_for(0) == nullptr);
    rig.queue_on(tasks[1], 2);
    CHECK(rig.task_for(0) == &tasks[0]);
    CHECK(rig.task_for(2) == &tasks[1]);
}

TEST_CASE("sched work_stealing: what waits at a CPU that is taken goes to others") {
    Stealing rig;
    BenchTask task;
    rig.make_idle(0);
    rig.make_idle(7);
    rig.queue_on(task, 7);
    rig.policy.cpu_taken(7, 1);
    CHECK(rig.task_for(0) == &task);
}

TEST_CASE("sched work_stealing: queues even out, and all get their turns") {
    PolicyBench bench("work_stealing", PolicyBench::cpus(2), {{"slice_us", "1000"}});
    std::array<BenchTask, 6> tasks;
    for (BenchTask& task : tasks) {
        task.last_cpu = 0;  // all but one queue there
        bench.add(task);
    }
    bench.run_until(600 * kMs);
    for (BenchTask& task : tasks) {
        bench.block(task);
        CHECK(task.ran_ns > 150 * kMs);  // a fair share would be 200
        CHECK(task.ran_ns < 250 * kMs);
    }
}

TEST_CASE("sched work_stealing: needs to know the machine, and holds the slice to its bounds") {
    CHECK_THROWS_WITH(PolicyBench("work_stealing", {}),
                      "error: policy work_stealing: needs to be told of the machine");
    CHECK_THROWS_WITH(PolicyBench("work_stealing", places(), {{"slice_us", "0"}}),
                      "error: parameter slice_us=0 is not a number from 100 to 1000000");
}
