// SPDX-License-Identifier: MIT
//
// What a policy hears and may ask for beyond enqueue() and pick_next(): adoption, preemption, ticks, hints, hand-over.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "support/sched_crew.hpp"

using namespace test;
using abi::ThreadState;

namespace {

// First in, first out; says in `log` what it heard. preempt() and tick() do what the test has set.
class Probe final : public sched::Policy {
public:
    std::string_view name() const override { return "probe"; }
    void enqueue(sched::Task& task, abi::Cause, std::uint64_t) override {
        say("enqueue", task);
        queue.push_back(task);
    }
    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        sched::Task* const task = queue.take_first(cpu);
        return task != nullptr ? std::optional(sched::Pick{task, 5000, hints}) : std::nullopt;
    }
    void remove(sched::Task& task) override {
        say("remove", task);
        sched::Policy::remove(task);
    }
    void stopped(sched::Task& task, abi::Cause, std::uint64_t) override { say("stopped", task); }
    void adopt(sched::Task& task, std::uint64_t) override { say("adopt", task, task.cpu); }
    void affinity_changed(sched::Task& task, std::uint64_t) override { say("affinity", task, task.affinity); }
    void gone(sched::Task& task, std::uint64_t) override { say("gone", task); }
    void cpu_taken(std::uint32_t cpu, std::uint64_t) override { taken.push_back(cpu); }
    std::uint32_t depth() const override { return depth_of_all; }
    bool feeds_idle() const override { return feeds; }
    sched::Task* recall(std::uint64_t) override { return std::exchange(to_recall, nullptr); }
    std::optional<std::uint32_t> preempt(std::uint64_t) override { return std::exchange(to_preempt, {}); }
    std::uint64_t next_tick_ns() const override { return next_tick; }
    void tick(std::uint64_t now_ns) override {
        ticks.push_back(now_ns);
        next_tick = sched::kNever;
    }

    std::string take_log() { return std::exchange(log, {}); }

    std::string log;
    std::optional<std::uint32_t> to_preempt;
    std::uint64_t next_tick = sched::kNever;
    std::vector<std::uint64_t> ticks;
    std::uint32_t hints = 0;
    std::uint32_t depth_of_all = 1;
    bool feeds = true;
    sched::Task* to_recall = nullptr;
    std::vector<std::uint32_t> taken;
    sched::TaskQueue queue;

private:
    void say(std::string_view what, const sched::Task& task, std::optional<std::uint64_t> number = {}) {
        log += std::string(log.empty() ? "" : " ") + std::string(what) + std::to_string(task.ref.index) +
               (number ? ":" + std::to_string(*number) : "");
    }
};

struct Rig {
    explicit Rig(std::uint64_t cpus) : kernel(cpus), crew(kernel, probe, hints->data()) {}
    std::uint32_t started(std::uint64_t affinity = FakeKernel::kAll) {
        const std::uint32_t line = kernel.create(affinity);
        kernel.start(line);
        return line;
    }
    void settle() {
        REQUIRE(crew.settle());
        REQUIRE(crew.complaint() == "");
    }

    FakeKernel kernel;
    Probe probe;
    std::unique_ptr<std::array<abi::HintLine, abi::kMaxThreads>> hints =
        std::make_unique<std::array<abi::HintLine, abi::kMaxThreads>>();
    Crew crew;
};

}  // namespace

TEST_CASE("sched hooks: a thread that is on a CPU already is adopted, with its CPU, and stops like any") {
    Rig rig(0b11);
    const std::uint32_t line = rig.started();
    rig.kernel.place_by_kernel(line, 1);
    rig.crew.dispatcher().adopt(1);
    CHECK(rig.probe.take_log() == "adopt0:1");
    rig.kernel.set_affinity(line, 0b10);
    rig.settle();
    CHECK(rig.probe.take_log() == "affinity0:2 stopped0 enqueue0");  // and is recalled, once
    rig.kernel.block(1);
    rig.settle();
    CHECK(rig.probe.take_log() == "stopped0");
}

TEST_CASE("sched hooks: what a policy picked is not adopted when it is seen to run") {
    Rig rig(0b1);
    const std::uint32_t line = rig.started();
    rig.settle();
    rig.crew.dispatcher().observe(line, 5);
    CHECK(rig.probe.take_log() == "enqueue0");
}

TEST_CASE(
    "sched hooks: the end of a thread is told, once, also of one that waited, before its line has another") {
    Rig rig(0b1);
    const std::uint32_t waits = rig.started();
    rig.settle();
    rig.kernel.block(0);
    const std::uint32_t runs = rig.started();
    rig.settle();
    const std::uint32_t queues = rig.started();
    rig.settle();
    rig.probe.take_log();
    rig.kernel.kill(waits);
    rig.settle();
    CHECK(rig.probe.take_log() == "gone0");
    rig.kernel.kill(queues);
    rig.settle();
    CHECK(rig.probe.take_log() == "remove2 gone2");
    rig.kernel.kill(runs);
    rig.kernel.free(runs);
    REQUIRE(rig.started() == runs);  // nobody has looked meanwhile
    rig.settle();
    CHECK(rig.probe.take_log() == "stopped1 gone1 enqueue1");
}

TEST_CASE("sched hooks: a thread that the policy never heard of ends without a word") {
    Rig rig(0b1);
    const std::uint32_t line = rig.kernel.create();
    rig.kernel.kill(line);
    rig.settle();
    CHECK(rig.probe.take_log().empty());
}

TEST_CASE("sched hooks: a recalled thread leaves its CPU, and comes back to the policy") {
    Rig rig(0b1);
    rig.started();
    rig.settle();
    rig.probe.take_log();
    rig.probe.to_recall = &rig.crew.dispatcher().task(0);
    rig.started();
    rig.settle();
    CHECK(rig.probe.take_log() == "enqueue1 stopped0 enqueue0");
    CHECK(rig.kernel.running(0) == 1u);
}

TEST_CASE("sched hooks: a depth without limit places all that the policy gives") {
    Rig rig(0b1);
    rig.probe.depth_of_all = sched::kUnlimitedDepth;
    for (int i = 0; i < 100; ++i) {  // more than a batch holds, too
        rig.started();
    }
    rig.settle();
    CHECK(rig.kernel.on(0).size() == 100);
    CHECK(rig.crew.dispatcher().enqueued() == 0);
}

TEST_CASE("sched hooks: an idle CPU is fed from another one only if the policy says so") {
    for (const bool feeds : {false, true}) {
        Rig rig(0b11);
        rig.probe.depth_of_all = 2;
        rig.probe.feeds = feeds;
        for (int i = 0; i < 4; ++i) {
            rig.started(0b01);
        }
        rig.settle();
        REQUIRE(rig.kernel.on(0).size() == 2);
        for (const std::uint32_t line : rig.kernel.in_state(ThreadState::kUnplaced)) {
            rig.kernel.kill(line);
        }
        for (const std::uint32_t line : rig.kernel.on(0)) {
            rig.kernel.set_affinity(line, FakeKernel::kAll);
        }
        rig.settle();
        CHECK(rig.kernel.on(1).size() == (feeds ? 1 : 0));
    }
}

TEST_CASE("sched hooks: a CPU that the kernel does not let the server have is taken from the policy, once") {
    FakeKernel kernel(0b1);
    Probe probe;
    auto dispatcher =
        std::make_unique<sched::Dispatcher>(probe, kernel.table(), 0b11, cap::Clock(1'000'000'000));
    for (int i = 0; i < 2; ++i) {
        kernel.start(kernel.create());
        dispatcher->observe(static_cast<std::uint32_t>(i), 1);
        dispatcher->refused({.sequence = kernel.word(static_cast<std::uint32_t>(i)).sequence(),
                             .line = static_cast<std::uint32_t>(i),
                             .cpu = 1},
                            abi::Error::kCpuNotYours, 2);
    }
    CHECK(probe.taken == std::vector<std::uint32_t>{1});
}

TEST_CASE("sched hooks: preemption puts the next pick on the CPU and gives the other one back") {
    Rig rig(0b11);
    const std::uint32_t first = rig.started(0b10);
    const std::uint32_t second = rig.started(0b01);
    rig.settle();
    const std::uint32_t urgent = rig.started(0b10);
    rig.probe.take_log();
    rig.probe.to_preempt = 1;
    rig.settle();
    CHECK(rig.kernel.running(1) == urgent);
    CHECK(rig.kernel.running(0) == second);
    CHECK(rig.kernel.word(first).state() == ThreadState::kUnplaced);
    CHECK(rig.probe.take_log() == "enqueue2 stopped0 enqueue0");
}

TEST_CASE("sched hooks: preemption for which there is no thread changes nothing") {
    Rig rig(0b11);
    const std::uint32_t first = rig.started(0b10);
    rig.settle();
    rig.started(0b10);
    rig.probe.to_preempt = 0;  // only CPU 1 would do
    rig.settle();
    CHECK(rig.kernel.running(1) == first);
}

TEST_CASE("sched hooks: a tick comes when it is due, once, and not before") {
    Rig rig(0b1);
    rig.probe.next_tick = 10;
    CHECK(rig.crew.dispatcher().next_tick_ns() == 10);
    sched::CommitBatch batch;
    CHECK(rig.crew.dispatcher().fill(batch, 9));
    CHECK(rig.probe.ticks.empty());
    CHECK(rig.crew.dispatcher().fill(batch, 11));
    CHECK(rig.crew.dispatcher().fill(batch, 12));
    CHECK(rig.probe.ticks == std::vector<std::uint64_t>{11});
}

TEST_CASE("sched hooks: hints stand in the thread's line, and go when it is picked without") {
    Rig rig(0b10);
    rig.probe.hints = abi::kHintWake | abi::kHintRotate;
    const std::uint32_t line = rig.started();
    rig.settle();
    CHECK(rig.hints->at(line).word == abi::hint_word(rig.kernel.ref(line).generation, 1, 3));
    CHECK(rig.hints->at(line).slice_ns == 5000);
    rig.probe.hints = 0;
    rig.kernel.block(1);
    rig.kernel.wake(line);
    rig.settle();
    CHECK(rig.hints->at(line).word == 0);
}

TEST_CASE(
    "sched hooks: a new policy is given every task, in the order of their waiting, and no hint is left") {
    Rig rig(0b1);
    rig.probe.hints = abi::kHintRotate;
    const std::uint32_t runs = rig.started();
    rig.settle();
    const std::uint32_t waits_longer = rig.started();
    rig.settle();
    rig.started();
    rig.settle();
    rig.probe.take_log();
    Probe next;
    rig.crew.set_policy(next);
    CHECK(rig.probe.take_log() == "stopped0 remove1 remove2");
    CHECK(next.take_log() == "adopt0:0 enqueue1 enqueue2");
    CHECK(rig.hints->at(runs).word == 0);
    rig.kernel.exit(0);
    rig.settle();
    CHECK(rig.kernel.running(0) == waits_longer);
}
