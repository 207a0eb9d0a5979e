// SPDX-License-Identifier: MIT
//
// Every policy under every scenario: no invariant breaks, and the same run gives the same result.
#include <catch2/catch.hpp>

#include "support.hpp"

using namespace test;

namespace {

const sched::PolicyEntry& round_robin() { return *sched::find_policy("round_robin"); }

// A decision of these costs O(threads) and more: minutes with a thousand CPUs.
bool is_slow(std::string_view name) { return name == "gang" || name == "chaos"; }

void all_policies(const std::string& file, std::uint64_t seeds, bool slow_ones = true) {
    const sim::Scenario scenario = scenario_file(file);
    for (const sched::PolicyEntry& entry : sched::known_policies()) {
        if (is_slow(entry.name) && !slow_ones) {
            continue;
        }
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            INFO(file << " policy " << entry.name << " seed " << seed);
            const Run first = run(entry, scenario, seed);
            if (!first.refused.empty()) {
                WARN(first.refused);
                break;
            }
            CHECK(first.result.unfinished == 0);
            CHECK(first.result.makespan_ns >= first.result.bound_ns);
            CHECK(first.result.decisions >= first.result.threads);
            CHECK(first.result.longest_wait_ns >= first.result.wake.most);
            const Run second = run(entry, scenario, seed);
            CHECK(first.result.hash == second.result.hash);
            CHECK(first.result.fairness == second.result.fairness);
            CHECK(first.result.idle_with_work_ns == second.result.idle_with_work_ns);
        }
    }
}

}  // namespace

TEST_CASE("policies: mixed") { all_policies("mixed.sim", 4); }
TEST_CASE("policies: herd") { all_policies("herd.sim", 3); }
TEST_CASE("policies: periodic") { all_policies("periodic.sim", 2); }
TEST_CASE("policies: pinned") { all_policies("pinned.sim", 4); }
TEST_CASE("policies: teams") { all_policies("teams.sim", 4); }
TEST_CASE("policies: chain, with calls") { all_policies("chain.sim", 2); }
TEST_CASE("policies: servers, with calls") { all_policies("servers.sim", 4); }
TEST_CASE("policies: visitors, an arrival trace") { all_policies("visitors.sim", 1); }
TEST_CASE("policies: broad, 128 CPUs") { all_policies("broad.sim", 1); }
TEST_CASE("policies: wide, 1,024 CPUs, but for gang and chaos") { all_policies("wide.sim", 1, false); }

TEST_CASE("a million threads on 1,024 CPUs") {
    const Run million = run(round_robin(), scenario_file("million.sim"), 1);
    CHECK(million.result.threads == 1'000'000);
    CHECK(million.result.unfinished == 0);
    CHECK(million.result.cpus == 1024);
    CHECK(million.result.decisions >= 1'000'000);
}

TEST_CASE("another seed makes another run, and where nothing is random the same") {
    const sim::Scenario random = scenario("cpus 2\nthreads 20 run exp:2ms");
    CHECK(run(round_robin(), random, 1).result.hash != run(round_robin(), random, 2).result.hash);
    const sim::Scenario fixed = scenario("cpus 2\nthreads 20 run 2ms");
    CHECK(run(round_robin(), fixed, 1).result.hash == run(round_robin(), fixed, 2).result.hash);
}

TEST_CASE("what threads want does not depend on the policy") {
    const sim::Scenario random = scenario("cpus 3\nthreads 30 run exp:2ms sleep exp:1ms times 7");
    const auto fifo = run(*sched::find_policy("fifo"), random, 1).result;
    const auto rotated = run(round_robin(), random, 1).result;
    CHECK(fifo.service_ns == rotated.service_ns);
    CHECK(fifo.hash != rotated.hash);
}

TEST_CASE("times are those that one works out by hand") {
    // Event 2 us, commit 1 us, switch 1 us: the first runs from 4 us on, for 10 ms.
    const auto alone = run(round_robin(), scenario("cpus 1\nthreads 1 run 10ms"), 1).result;
    CHECK(alone.makespan_ns == 10'004'000);
    CHECK(alone.bound_ns == 10'000'000);
    CHECK(alone.wake.count == 1);
    CHECK(alone.wake.most == 4'000);
    CHECK(alone.longest_wait_ns == 4'000);
    CHECK(alone.idle_with_work_ns == 3'000);  // the switch is no idle time
    CHECK(alone.fairness == 1);
    // Two take turns of 5 ms, and a switch of 1 us between; the second waits for the first one's slice.
    const auto two = run(round_robin(), scenario("cpus 1\nthreads 2 run 10ms"), 1).result;
    CHECK(two.dispatches == 4);
    CHECK(two.makespan_ns == 20'007'000);
    CHECK(two.wake.most == 5'005'000);
    CHECK(two.bound_ns == 20'000'000);
    // Under fifo the second comes when the server has heard that the CPU is free.
    const auto one_after_the_other =
        run(*sched::find_policy("fifo"), scenario("cpus 1\nthreads 2 run 10ms"), 1).result;
    CHECK(one_after_the_other.makespan_ns == 20'008'000);
    CHECK(one_after_the_other.idle_with_work_ns == 6'000);
}

TEST_CASE("the bound knows CPUs, sets of CPUs, sleep and barriers") {
    const auto bound = [](const char* text) { return run(round_robin(), scenario(text), 1).result.bound_ns; };
    CHECK(bound("cpus 4\nthreads 8 run 10ms") == 20'000'000);
    CHECK(bound("cpus 4\nthreads 8 run 10ms cpus 1,2") == 40'000'000);
    CHECK(bound("cpus 4\nthreads 1 run 10ms sleep 5ms times 3") == 40'000'000);
    CHECK(bound("cpus 4\nthreads 2 start 7ms run 10ms") == 17'000'000);
    CHECK(bound("cpus 4\nthreads 3 run 10ms barrier times 4") == 40'000'000);
    CHECK(bound("cpus 1\nperiodic 1 period 10ms budget 2ms times 3") == 22'000'000);
}

TEST_CASE("deadlines: kept alone, missed where there is too much") {
    const auto alone =
        run(round_robin(), scenario("cpus 1\nperiodic 1 period 10ms budget 2ms times 50"), 1).result;
    CHECK(alone.jobs == 50);
    CHECK(alone.deadline_misses == 0);
    const auto crowd =
        run(round_robin(), scenario("cpus 1\nperiodic 6 period 10ms budget 2ms times 50"), 1).result;
    CHECK(crowd.jobs == 300);
    CHECK(crowd.deadline_misses > 100);
}

TEST_CASE("no turn begins at or after `until`") {
    const auto turns = [](const char* text) {
        return run(round_robin(), scenario(text), 1).result.service_ns / 1'000'000;
    };
    CHECK(turns("cpus 1\nthreads 1 run 1ms sleep 9ms until 20ms") == 2);
    CHECK(turns("cpus 1\nthreads 1 run 1ms until 20ms") == 20);
    CHECK(turns("cpus 1\nperiodic 1 period 10ms budget 1ms until 20ms") == 2);
    CHECK(turns("cpus 2\nthreads 2 run 1ms barrier until 20ms") == 40);
    CHECK(turns("cpus 1\nthreads 9 arrive 10ms run 1ms times 1 until 20ms") == 2);
}

TEST_CASE("an end before all have finished") {
    const auto cut =
        run(round_robin(), scenario("cpus 2\nend 50ms\nthreads 3 run 1ms sleep 1ms\nthreads 1 run 1ms"), 1)
            .result;
    CHECK(cut.unfinished == 3);
    CHECK(cut.makespan_ns == 50'000'000);
    CHECK(cut.bound_ns == 0);
}
