// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <memory>

#include "support/sched_crew.hpp"

using namespace test;
using abi::ThreadState;

namespace {

// A kernel, one of the real policies, and the agents.
struct Rig {
    explicit Rig(std::uint64_t cpus, std::string_view policy_name = "round_robin")
        : kernel(cpus), policy(sched::find_policy(policy_name)->make(*storage)), crew(kernel, policy) {}

    void settle() {
        REQUIRE(crew.settle());
        REQUIRE(crew.complaint() == "");
    }
    std::uint32_t started(std::uint64_t affinity = FakeKernel::kAll) {
        const std::uint32_t line = kernel.create(affinity);
        kernel.start(line);
        return line;
    }
    std::size_t on(std::uint32_t cpu) const { return kernel.on(cpu).size(); }

    FakeKernel kernel;
    std::unique_ptr<sched::PolicyStorage> storage = std::make_unique<sched::PolicyStorage>();
    sched::Policy& policy;
    Crew crew;
};

}  // namespace

TEST_CASE("sched dispatcher: the first thread of every CPU goes before a second one") {
    Rig rig(0b1111);
    for (int i = 0; i < 6; ++i) {
        rig.started();
    }
    rig.settle();
    for (std::uint32_t cpu = 0; cpu < 4; ++cpu) {
        CHECK(rig.on(cpu) >= 1);
    }
    CHECK(rig.crew.dispatcher().enqueued() == 0);
    CHECK(rig.crew.refusals() == 0);
}

TEST_CASE("sched dispatcher: depth 1 leaves what is too much with the policy") {
    Rig rig(0b11, "fifo");
    for (int i = 0; i < 5; ++i) {
        rig.started();
    }
    rig.settle();
    CHECK(rig.crew.dispatcher().enqueued() == 3);
    rig.kernel.exit(0);
    rig.kernel.block(1);
    rig.settle();
    CHECK(rig.on(0) == 1);
    CHECK(rig.on(1) == 1);
    CHECK(rig.crew.dispatcher().enqueued() == 1);
}

TEST_CASE("sched dispatcher: looking at a line twice changes nothing") {
    Rig rig(0b11);
    const std::uint32_t line = rig.started();
    rig.crew.dispatcher().observe(line, 1);
    rig.crew.dispatcher().observe(line, 2);
    CHECK(rig.crew.dispatcher().enqueued() == 1);
    rig.settle();
    const auto commits = rig.crew.commits();
    rig.crew.dispatcher().observe(line, 3);
    rig.crew.dispatcher().observe(abi::kMaxThreads + 1, 3);
    rig.settle();
    CHECK(rig.crew.commits() == commits);
}

TEST_CASE("sched dispatcher: a commit that is under way is not made again") {
    Rig rig(0b11);
    const std::uint32_t line = rig.started();
    rig.crew.decide(0);                      // commit decided, not sent
    rig.crew.dispatcher().observe(line, 1);  // another agent looks meanwhile
    CHECK(rig.crew.dispatcher().enqueued() == 0);
    rig.settle();
    CHECK(rig.crew.commits() == 1);
}

TEST_CASE("sched dispatcher: a thread that ran and came back between two looks is placed again") {
    Rig rig(0b1);
    const std::uint32_t line = rig.started();
    rig.settle();
    rig.kernel.block(0);
    rig.kernel.wake(line);
    rig.settle();
    CHECK(rig.kernel.word(line).state() == ThreadState::kRunning);
    CHECK(rig.crew.commits() == 2);
}

TEST_CASE("sched dispatcher: a stale commit fails, and the thread is placed by the next look") {
    Rig rig(0b11);
    const std::uint32_t line = rig.started(0b01);
    rig.crew.decide(0);
    rig.kernel.set_affinity(line, 0b10);  // the commit to CPU 0 is wrong by now
    rig.settle();
    CHECK(rig.crew.refusals() == 1);
    CHECK(rig.kernel.running(1) == line);
}

TEST_CASE("sched dispatcher: a thread killed before its commit arrives is forgotten") {
    Rig rig(0b1);
    const std::uint32_t line = rig.started();
    rig.crew.decide(0);
    rig.kernel.kill(line);
    rig.settle();
    CHECK(rig.crew.refusals() == 1);
    CHECK(rig.on(0) == 0);
    rig.kernel.free(line);
    REQUIRE(rig.started() == line);  // the line is used again
    rig.settle();
    CHECK(rig.kernel.running(0) == line);
}

TEST_CASE("sched dispatcher: a line that changed hands between two looks means exit and new") {
    Rig rig(0b1, "fifo");
    const std::uint32_t first = rig.started();
    const std::uint32_t second = rig.started();
    rig.settle();
    rig.kernel.exit(0);
    rig.kernel.free(first);
    REQUIRE(rig.started() == first);
    rig.settle();
    CHECK(rig.kernel.running(0) == second);  // it was there before
    CHECK(rig.crew.dispatcher().enqueued() == 1);
}

TEST_CASE("sched dispatcher: an idle CPU gets a thread that waits elsewhere") {
    Rig rig(0b11);
    for (int i = 0; i < 3; ++i) {
        rig.started();
    }
    rig.settle();
    const std::uint32_t alone = rig.on(0) == 1 ? 0 : 1;
    rig.kernel.block(alone);
    rig.settle();
    CHECK(rig.on(0) == 1);
    CHECK(rig.on(1) == 1);
}

TEST_CASE("sched dispatcher: one recall at a time for an idle CPU") {
    Rig rig(0b11);
    for (int i = 0; i < 4; ++i) {
        rig.started(0b01);
    }
    rig.settle();
    for (const std::uint32_t line : rig.kernel.in_state(ThreadState::kUnplaced)) {
        rig.kernel.kill(line);
    }
    rig.settle();
    for (const std::uint32_t line : rig.kernel.on(0)) {
        rig.kernel.set_affinity(line, FakeKernel::kAll);  // two threads on CPU 0 that could move to CPU 1
    }
    const auto commits = rig.crew.commits();
    for (int i = 0; i < 3; ++i) {
        rig.crew.decide(0);
        rig.crew.send(0);
    }
    CHECK(rig.crew.commits() == commits + 1);
    rig.settle();
    CHECK(rig.on(1) == 1);
}

TEST_CASE("sched dispatcher: an idle CPU gets the running thread if the waiting one may not go") {
    Rig rig(0b11);
    const std::uint32_t anywhere = rig.started();
    rig.settle();
    const std::uint32_t here = rig.kernel.word(anywhere).cpu();
    const std::uint32_t other = rig.started(std::uint64_t{1} << (1 - here));
    const std::uint32_t bound = rig.started(std::uint64_t{1} << here);
    rig.settle();
    REQUIRE(rig.on(here) == 2);
    REQUIRE(rig.kernel.running(1 - here) == other);
    rig.kernel.exit(1 - here);
    rig.settle();
    CHECK(rig.kernel.running(here) == bound);
    CHECK(rig.kernel.running(1 - here) == anywhere);
}

TEST_CASE("sched dispatcher: a commit under way to a full CPU is turned to an idle one") {
    int raced = 0;
    for (const std::uint32_t slow : {0u, 1u}) {
        Rig rig(0b11);
        rig.started();
        rig.started();
        rig.settle();  // one each
        const std::uint32_t third = rig.kernel.create(FakeKernel::kAll, 1, slow);
        rig.kernel.start(third);
        rig.crew.decide(slow);  // a second thread for one of the CPUs, not sent yet
        const std::uint32_t quick = 1 - slow;
        if (rig.crew.dispatcher().load().count(slow) == 2) {
            rig.kernel.block(quick);
            rig.crew.decide(quick);
            CHECK(rig.crew.dispatcher().load().count(quick) == 1);
            rig.crew.send(quick);
            CHECK(rig.kernel.running(quick) == third);
            rig.settle();
            CHECK(rig.crew.refusals() == 1);  // the first commit, sent last
            ++raced;
        }
    }
    CHECK(raced > 0);
}

TEST_CASE("sched dispatcher: adoption finds threads in every state, and no thread of others") {
    FakeKernel kernel(0b11);
    const auto made = [&](std::uint32_t domain = 1) { return kernel.create(FakeKernel::kAll, domain); };
    made();  // created only
    const std::uint32_t running = made();
    const std::uint32_t queued = made();
    const std::uint32_t unplaced = made();
    const std::uint32_t waiting = made();
    const std::uint32_t gone = made();
    const std::uint32_t system = made(0);
    for (const std::uint32_t line : {running, queued, unplaced, waiting, gone, system}) {
        kernel.start(line);
    }
    kernel.place_by_kernel(waiting, 0);
    kernel.block(0);
    kernel.place_by_kernel(system, 1);
    kernel.place_by_kernel(running, 0);
    kernel.place_by_kernel(queued, 0);
    kernel.kill(gone);

    auto storage = std::make_unique<sched::PolicyStorage>();
    Crew crew(kernel, sched::find_policy("round_robin")->make(*storage));
    CHECK(crew.dispatcher().adopt(0) == 5);
    CHECK(crew.dispatcher().enqueued() == 1);
    CHECK(crew.dispatcher().load().count(0) == 2);
    REQUIRE(crew.settle());
    CHECK(kernel.word(unplaced).state() == ThreadState::kQueued);
    CHECK(kernel.word(running).state() == ThreadState::kRunning);
    CHECK(kernel.on(1).front() == system);
}

TEST_CASE("sched dispatcher: a thread of another domain is left alone") {
    FakeKernel kernel(0b1);
    const std::uint32_t line = kernel.create(FakeKernel::kAll, 2);
    kernel.start(line);
    auto storage = std::make_unique<sched::PolicyStorage>();
    Crew crew(kernel, sched::find_policy("fifo")->make(*storage));
    CHECK(crew.dispatcher().adopt(0) == 0);
    REQUIRE(crew.settle());
    CHECK(crew.commits() == 0);
    crew.dispatcher().observe(line, 1);
    REQUIRE(crew.settle());
    CHECK(crew.commits() == 0);
    CHECK(kernel.word(line).state() == ThreadState::kUnplaced);
}

// The same lines for the server of domain 2: the CPU is not its, the thread is, and waits.
TEST_CASE("sched dispatcher: the server of another domain has that one's threads and CPUs") {
    FakeKernel kernel(0b1);
    kernel.start(kernel.create(FakeKernel::kAll, 2));
    kernel.start(kernel.create(FakeKernel::kAll, 1));
    auto storage = std::make_unique<sched::PolicyStorage>();
    Crew crew(kernel, sched::find_policy("fifo")->make(*storage));
    crew.dispatcher().set_domain(2);
    CHECK(crew.dispatcher().adopt(0) == 1);
    REQUIRE(crew.settle());
    CHECK(crew.commits() == 0);
    CHECK(crew.dispatcher().enqueued() == 1);
}

TEST_CASE("sched dispatcher: a CPU that is not the domain's is not picked for") {
    FakeKernel kernel(0b11);
    auto storage = std::make_unique<sched::PolicyStorage>();
    sched::Policy& policy = sched::find_policy("round_robin")->make(*storage);
    sched::Dispatcher dispatcher(policy, kernel.table(), 0b111, cap::Clock(1'000'000'000));
    for (int i = 0; i < 3; ++i) {
        kernel.start(kernel.create());
    }
    dispatcher.adopt(0);
    sched::CommitBatch batch;
    CHECK(dispatcher.fill(batch, 1));
    for (const auto& request : batch.requests()) {
        CHECK(kernel.commit(request) == abi::Error::kOk);
    }
    CHECK(kernel.on(0).size() + kernel.on(1).size() == 3);
}

TEST_CASE(
    "sched dispatcher: what ran on a CPU that is taken goes on elsewhere, and comes back with the CPU") {
    Rig rig(0b11);
    for (int i = 0; i < 4; ++i) {
        rig.started();
    }
    rig.settle();
    rig.kernel.take_cpu(0);
    rig.settle();
    CHECK(rig.on(0) == 0);
    CHECK(rig.on(1) == 2);
    CHECK(rig.crew.dispatcher().enqueued() == 2);
    rig.kernel.return_cpu(0);
    rig.settle();
    CHECK(rig.on(0) == 2);
    CHECK(rig.crew.dispatcher().enqueued() == 0);
}

TEST_CASE(
    "sched dispatcher: a refusal that comes before the line says that the CPU is lost costs nothing but the "
    "commit") {
    Rig rig(0b11);
    rig.kernel.take_cpu(0, false);
    for (int i = 0; i < 2; ++i) {
        rig.started();
    }
    rig.crew.decide(0);
    rig.crew.send(0);
    CHECK(rig.crew.refusals() > 0);
    rig.kernel.tell_cpus();
    rig.settle();
    CHECK(rig.on(1) == 2);
}

TEST_CASE("sched dispatcher: more commits than a batch holds are made in several") {
    Rig rig(~std::uint64_t{0});
    for (int i = 0; i < 200; ++i) {
        rig.started();
    }
    rig.settle();
    CHECK(rig.crew.commits() == 128);
    CHECK(rig.crew.dispatcher().enqueued() == 72);
}

TEST_CASE("sched dispatcher: a suspended thread leaves its CPU or the policy, and comes back") {
    Rig rig(0b1, "fifo");
    const std::uint32_t running = rig.started();
    const std::uint32_t enqueued = rig.started();
    rig.settle();
    REQUIRE(rig.crew.dispatcher().enqueued() == 1);
    rig.kernel.suspend(enqueued);
    rig.kernel.suspend(running);
    rig.settle();
    CHECK(rig.on(0) == 0);
    CHECK(rig.crew.dispatcher().enqueued() == 0);
    rig.kernel.resume(enqueued);
    rig.kernel.resume(running);
    rig.settle();
    CHECK(rig.kernel.running(0) == enqueued);
    CHECK(rig.crew.dispatcher().enqueued() == 1);
    CHECK(rig.crew.refusals() == 0);
}
