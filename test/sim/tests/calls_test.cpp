// SPDX-License-Identifier: MIT
//
// Threads that call each other: what a call takes, inheritance along a chain, and each mistake of a policy and of a scenario's text.
#include <catch2/catch.hpp>

#include "attributes.hpp"
#include "support.hpp"

using namespace test;

namespace {

namespace abi = cox::abi;

constexpr std::uint64_t kMs = 1'000'000, kUs = 1'000;

const sched::PolicyEntry& policy(const char* name) { return *sched::find_policy(name); }

sim::Result chain(std::string_view inherit, std::uint64_t seed) {
    const auto seat = std::make_unique<sched::PolicySeat>();
    cap::LineBuffer<400> error;
    const sim::Scenario scenario = scenario_file("chain.sim");
    const sched::Setting setting{"inherit", inherit};
    sched::Policy* const made =
        seat->prepare(policy("priority"), std::span(&setting, 1), {scenario.cpus}, error);
    REQUIRE(made != nullptr);
    return sim::simulate(*made, scenario, seed);
}

std::string error(const std::string& text) {
    try {
        (void)scenario(text);
    } catch (const sim::BadScenario& bad) {
        return bad.what();
    }
    return "";
}

// By priorities, and without preemption; it says that it inherits, and does so or not.
class Urgent : public sched::Policy {
public:
    explicit Urgent(bool gives) : gives_(gives) {}
    std::string_view name() const override { return "urgent"; }
    bool inherits() const override { return true; }
    bool claims_before(const sched::Task& a, const sched::Task& b) const override { return own(a) > own(b); }
    void enqueue(sched::Task& task, abi::Cause, std::uint64_t) override { tasks_.push_back(task); }
    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        sched::Task* best = nullptr;
        for (sched::Task& task : tasks_) {
            const bool better = task.may_run_on(cpu) && (best == nullptr || claim(task) > claim(*best));
            best = better ? &task : best;
        }
        if (best == nullptr) {
            return std::nullopt;
        }
        tasks_.remove(*best);
        return sched::Pick{best, abi::kNoSlice};
    }

private:
    static std::uint32_t own(const sched::Task& task) { return sched::Attributes::of(task.label).priority; }
    std::uint32_t claim(const sched::Task& task) const {
        return gives_ && task.donor != nullptr ? std::max(own(task), own(*task.donor)) : own(task);
    }
    sched::TaskQueue tasks_;
    bool gives_;
};

// high calls while `s`, which low has called from another CPU, stands behind the middle ones on CPU 0, of 0.6 ms each.
sim::Scenario inverted() {
    return scenario(
        "cpus 2\ninversion 1ms\nserver s 1 run 1ms priority 10 cpus 0\n"
        "threads 1 start 1ms run 1us calls s priority 20 cpus 1\n"
        "threads 40 start 1ms run 600us priority 100 cpus 0\n"
        "threads 1 start 1050us run 1us calls s priority 200 cpus 1\n");
}

}  // namespace

TEST_CASE("calls: a chain that nobody disturbs takes what its threads run") {
    const auto result = run(policy("round_robin"),
                            scenario("cpus 1\nserver b 1 run 2ms\nserver a 1 run 1ms calls b then 3ms\n"
                                     "threads 1 start 1ms run 4ms calls a then 5ms times 2 sleep 1ms"),
                            1)
                            .result;
    REQUIRE(result.calls.size() == 2);
    CHECK(result.calls[0].line == 3);
    CHECK(result.calls[0].time.most == 2 * kMs);  // of the switches, which go straight, none costs anything
    CHECK(result.calls[1].line == 4);
    CHECK(result.calls[1].time.count == 2);
    CHECK(result.calls[1].time.most == 6 * kMs);
    CHECK(result.service_ns == 30 * kMs + 2);  // a server runs 1 ns until it receives
    CHECK(result.unfinished == 0);
    CHECK(result.threads == 3);
    // Start and wake of the caller, as of any other thread; not of the servers, which run on its time.
    CHECK(result.wake.count == 4);
    CHECK(result.makespan_ns == 1 * kMs + 31 * kMs + 2 * 4 * kUs);
    CHECK(result.bound_ns == result.makespan_ns - 2 * 4 * kUs);
}

TEST_CASE("calls: a server that may not run here is woken there") {
    const auto result = run(policy("round_robin"),
                            scenario("cpus 2\nserver a 1 run 1ms cpus 0\n"
                                     "threads 1 start 1ms run 1ms calls a cpus 1"),
                            1)
                            .result;
    REQUIRE(result.calls.size() == 1);
    CHECK(result.calls[0].time.most == 1 * kMs + 4 * kUs);  // event, commit, switch
    CHECK(result.wake.count == 4);                          // two starts, the call, the reply
}

TEST_CASE("calls: callers are served in the order in which they come") {
    const auto result =
        run(policy("fifo"), scenario("cpus 4\nserver a 1 run 10ms\nthreads 3 start 1ms run 1ms calls a"), 1)
            .result;
    REQUIRE(result.calls.size() == 1);
    CHECK(result.calls[0].time.count == 3);
    CHECK(result.calls[0].time.most >= 30 * kMs);
    CHECK(result.calls[0].time.most < 31 * kMs);
    const auto both =
        run(policy("fifo"), scenario("cpus 4\nserver a 2 run 10ms\nthreads 3 start 1ms run 1ms calls a"), 1)
            .result;
    CHECK(both.calls[0].time.most >= 20 * kMs);
    CHECK(both.calls[0].time.most < 21 * kMs);
}

TEST_CASE("calls: a thread that waits for a reply is no work that waits") {
    // CPU 1 has nothing to do while the caller from there waits: no idle time beside work but what the server takes to react.
    const auto result = run(policy("round_robin"),
                            scenario("cpus 2\nserver a 1 run 50ms cpus 0\n"
                                     "threads 1 start 1ms run 1ms calls a cpus 1"),
                            1)
                            .result;
    CHECK(result.idle_with_work_ns < 50 * kUs);
}

TEST_CASE(
    "calls: along a chain the most urgent waits for the work of the chain alone, if the policy inherits") {
    // Its own call, and one that was begun for the other caller: 1.4 ms each.
    constexpr std::uint64_t kWork = 2 * 1'400 * kUs, kReaction = 20 * kUs;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        INFO("seed " << seed);
        const sim::Result with = chain("1", seed), without = chain("0", seed);
        REQUIRE(with.calls.back().line == 9);
        CHECK(with.calls.back().time.count > 100);
        CHECK(with.calls.back().time.most <= kWork + kReaction);
        CHECK(with.longest_inversion_ns <= kReaction);
        CHECK(without.calls.back().time.most > 10 * kMs);
        CHECK(without.longest_inversion_ns > 5 * kMs);
        CHECK(with.unfinished + without.unfinished == 0);
    }
}

TEST_CASE("calls: a policy that says that it inherits and does not is found") {
    Urgent right(true), wrong(false);
    CHECK(complaint(right, inverted()).empty());
    const std::string found = complaint(wrong, inverted());
    INFO(found);
    CHECK(found.contains("thread 0 "));
    CHECK(found.contains(", which works for thread 42 "));
    CHECK(found.contains(" ns beside a thread with less claim; the scenario allows 1000000 ns"));
}

TEST_CASE("calls: what is wrong in the text is said") {
    const std::string head = "cpus 4\nserver a 2 run 1ms\n";
    CHECK(error(head + "threads 1 run 1ms calls b") ==
          "text line 3: calls \"b\", which is no server of a line above");
    CHECK(error("cpus 4\nserver a 1 run 1ms calls a\nthreads 1 run 1ms calls a") ==
          "text line 2: calls \"a\", which is no server of a line above");
    CHECK(error("cpus 4\nthreads 1 run 1ms calls a\nserver a 1 run 1ms") ==
          "text line 2: calls \"a\", which is no server of a line above");
    CHECK(error(head + "threads 1 run 1ms calls") ==
          "text line 3: something is missing: the name of a server");
    CHECK(error(head + "threads 1 run 1ms then 1ms") ==
          "text line 3: then is what comes after the reply: it needs calls");
    CHECK(error(head + "threads 1 run 1ms calls a then soon") ==
          "text line 3: then \"soon\" is none of 2ms, exp:2ms, uniform:1ms..5ms, mix:1ms,100ms,10%");
    CHECK(error(head + "server a 1 run 1ms") == "text line 3: a second server \"a\"");
    CHECK(error("cpus 4\nserver 3 run 1ms") == "text line 2: server \"3\" is not a name, but a number");
    CHECK(error("cpus 4\nserver") == "text line 2: something is missing: the name of the server");
    CHECK(error("cpus 4\nserver a run 1ms") ==
          "text line 2: server \"run\" is not a number from 1 to 1000000");
    CHECK(error("cpus 4\nserver a 1") == "text line 2: server needs run");
    CHECK(error("cpus 4\nserver a 1 run 1ms sleep 1ms") ==
          "text line 2: \"sleep\" is none of run, calls, then, start, cpus, priority, weight, group");
    CHECK(error("cpus 4\nserver a 1 run 1ms times 3") ==
          "text line 2: \"times\" is none of run, calls, then, start, cpus, priority, weight, group");
    CHECK(error(head) == "text: no threads but servers");
    CHECK(error("server a 1 run 1ms") == "text line 1: a line `cpus` has to come first");
    CHECK(error("cpus 4\ninversion long\n") ==
          "text line 2: inversion \"long\" is not a time like 10ms, 250us or 3s");
}
