// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <memory>

#include "support/policy_bench.hpp"
#include "support/sched_crew.hpp"

using namespace test;

namespace {

struct Home {
    explicit Home(std::size_t cpus, std::vector<sched::Setting> settings = {})
        : bench("home", PolicyBench::cpus(cpus), std::move(settings)), policy(bench.policy()) {}

    std::optional<sched::Pick> pick(std::uint32_t cpu) {
        auto picked = policy.pick_next(cpu, 0);
        if (picked) {
            picked->task->cpu = cpu;
        }
        return picked;
    }
    sched::Task* task_on(std::uint32_t cpu) {
        const auto picked = pick(cpu);
        return picked ? picked->task : nullptr;
    }

    PolicyBench bench;
    sched::Policy& policy;
};

}  // namespace

TEST_CASE("sched home: threads are spread, the first to the lowest CPU, and come with hints") {
    Home home(2, {{"slice_us", "700"}});
    std::array<BenchTask, 4> tasks;
    for (BenchTask& task : tasks) {
        home.policy.enqueue(task, abi::Cause::kStarted, 0);
    }
    for (const std::uint32_t i : {0u, 1u, 2u, 3u}) {
        const auto picked = home.pick(i % 2);
        REQUIRE(picked);
        CHECK(picked->task == &tasks[i]);
        CHECK(picked->hints == (abi::kHintWake | abi::kHintRotate));
        CHECK(picked->slice_ns == 700'000);
    }
    CHECK(!home.pick(0));
    CHECK(!home.pick(1));
}

TEST_CASE("sched home: a thread comes back home, however idle the others are") {
    Home home(2);
    BenchTask task;
    home.policy.enqueue(task, abi::Cause::kStarted, 0);
    REQUIRE(home.task_on(0) == &task);
    home.policy.stopped(task, abi::Cause::kBlocked, 1);
    home.policy.enqueue(task, abi::Cause::kWoken, 2);
    CHECK(home.task_on(1) == nullptr);
    CHECK(home.task_on(0) == &task);
    CHECK(!home.policy.feeds_idle());
}

TEST_CASE("sched home: who may no longer run at home gets another, and one that may run nowhere waits") {
    Home home(2);
    BenchTask task;
    home.policy.enqueue(task, abi::Cause::kStarted, 0);
    home.policy.remove(task);
    task.affinity = 0b10;
    home.policy.enqueue(task, abi::Cause::kAffinityChanged, 1);
    CHECK(home.task_on(0) == nullptr);
    CHECK(home.task_on(1) == &task);
    home.policy.stopped(task, abi::Cause::kAffinityChanged, 2);
    task.affinity = 0b100;
    home.policy.enqueue(task, abi::Cause::kAffinityChanged, 3);
    CHECK(home.task_on(0) == nullptr);
    CHECK(home.task_on(1) == nullptr);
    home.policy.cpu_returned(2, 4);
    CHECK(home.task_on(2) == &task);
    CHECK(home.bench.number("homes_given") == 3);
    CHECK(home.bench.number("homes_changed") == 2);
}

TEST_CASE("sched home: whoever exits leaves room, also one that waited") {
    Home home(2);
    std::array<BenchTask, 3> tasks;
    for (BenchTask& task : tasks) {
        home.policy.enqueue(task, abi::Cause::kStarted, 0);
    }
    REQUIRE(home.task_on(1) == &tasks[1]);
    home.policy.stopped(tasks[1], abi::Cause::kBlocked, 1);
    home.policy.gone(tasks[1], 2);
    BenchTask next;
    home.policy.enqueue(next, abi::Cause::kStarted, 3);
    CHECK(home.task_on(1) == &next);  // CPU 0 has two homes, CPU 1 has none left
}

TEST_CASE(
    "sched home: a CPU that is taken gives its threads to others, and adopted ones live where they are") {
    Home home(2);
    std::array<BenchTask, 2> tasks;
    tasks[0].cpu = 1;
    home.policy.adopt(tasks[0], 0);
    home.policy.enqueue(tasks[1], abi::Cause::kStarted, 0);
    home.policy.cpu_taken(0, 1);
    CHECK(home.task_on(1) == &tasks[1]);
    home.policy.stopped(tasks[0], abi::Cause::kBlocked, 2);
    home.policy.cpu_returned(0, 3);
    home.policy.enqueue(tasks[0], abi::Cause::kWoken, 4);
    CHECK(home.task_on(0) == nullptr);
    CHECK(home.task_on(1) == &tasks[0]);
}

TEST_CASE("sched home: the slice is held to its bounds") {
    CHECK_THROWS_WITH(Home(1, {{"slice_us", "99"}}),
                      "error: parameter slice_us=99 is not a number from 100 to 1000000");
    CHECK_THROWS_WITH(Home(1, {{"slice_us", "1000001"}}),
                      "error: parameter slice_us=1000001 is not a number from 100 to 1000000");
}

TEST_CASE("sched home: the server places all threads of a CPU there, however many, and none elsewhere") {
    auto hints = std::make_unique<std::array<abi::HintLine, abi::kMaxThreads>>();
    FakeKernel kernel(0b11);
    Home home(2);
    Crew crew(kernel, home.policy, hints->data());
    for (int i = 0; i < 41; ++i) {
        kernel.start(kernel.create());
    }
    REQUIRE(crew.settled_complaint() == "");
    CHECK(crew.dispatcher().enqueued() == 0);
    CHECK(kernel.on(0).size() == 21);
    CHECK(kernel.on(1).size() == 20);
    const std::uint32_t line = kernel.on(1)[7];
    CHECK(hints->at(line).word == abi::hint_word(kernel.ref(line).generation, 1, 3));
    while (!kernel.on(1).empty()) {
        kernel.exit(1);
    }
    REQUIRE(crew.settled_complaint() == "");
    CHECK(kernel.on(1).empty());  // nothing is moved
    CHECK(kernel.on(0).size() == 21);
}
