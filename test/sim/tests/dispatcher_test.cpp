// SPDX-License-Identifier: MIT
//
// The simulator's server makes the same calls of a policy as the real one: both under a Recorder, in the same simulation, and
// then their recordings are compared entry by entry.
#include <catch2/catch.hpp>
#include <cstring>

#include "dispatcher_server.hpp"
#include "recorder.hpp"
#include "replay.hpp"
#include "server_model.hpp"
#include "support.hpp"

using namespace test;

namespace {

constexpr std::size_t kPages = 2048;

struct Recorded {
    sim::Result result;
    sim::Recording recording;
};

template <class Server>
Recorded recorded_with(sched::Policy& policy, const sim::Scenario& scenario, std::uint64_t seed) {
    const auto pages = std::make_unique<sched::RecordPage[]>(kPages);
    const auto recorder = std::make_unique<sched::Recorder>(policy, sched::Machine{scenario.cpus},
                                                            std::span(pages.get(), kPages), 1);
    const auto make = [](sim::World& world, sched::Policy& its_policy) {
        return std::make_unique<Server>(world, its_policy);
    };
    sim::Result result = sim::simulate_with(make, *recorder, scenario, seed);
    return {std::move(result), sim::parse_recording(std::as_bytes(std::span(pages.get(), kPages)))};
}

// The first entry in which they differ; a number beyond both if there is none.
std::size_t first_difference(const sim::Recording& left, const sim::Recording& right) {
    const std::size_t common = std::min(left.entries.size(), right.entries.size());
    for (std::size_t at = 0; at < common; ++at) {
        if (std::memcmp(&left.entries[at], &right.entries[at], sizeof(sched::RecordEntry)) != 0) {
            return at;
        }
    }
    return common;
}

// Uses all that the interface has: hints, preemption, ticks, a depth of 3, parameters left alone.
class Restless final : public sched::Policy {
public:
    std::string_view name() const override { return "fifo"; }
    std::uint32_t depth() const override { return 3; }
    void enqueue(sched::Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }
    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        sched::Task* const task = queue_.take_first(cpu);
        if (task == nullptr) {
            return std::nullopt;
        }
        ++picks_;
        return sched::Pick{task, 300'000 + picks_ % 7 * 100'000, picks_ % 3 == 0 ? picks_ / 3 % 4 : 0};
    }
    std::optional<std::uint32_t> preempt(std::uint64_t) override {
        return ++asked_ % 5 == 0 ? std::optional(asked_ % 4) : std::nullopt;
    }
    std::uint64_t next_tick_ns() const override { return next_ns_; }
    void tick(std::uint64_t now_ns) override { next_ns_ = now_ns + 1'700'000; }

private:
    sched::TaskQueue queue_;
    std::uint32_t picks_ = 0, asked_ = 0;
    std::uint64_t next_ns_ = 1'000'000;
};

// Makes one round too many, now and then.
class Repeating final : public sim::ServerSide {
public:
    Repeating(sim::World& world, sched::Policy& policy) : server_(world, policy) {}
    void activate() override {
        server_.activate();
        if (++rounds_ % 100 == 0) {
            server_.activate();
        }
    }
    void refused(const sim::Commit& commit, abi::Error error) override { server_.refused(commit, error); }
    std::uint64_t tick_ns() const override { return server_.tick_ns(); }
    void finish() override {}

private:
    sim::ServerModel server_;
    int rounds_ = 0;
};

sim::Scenario busy(const std::string& costs) {
    return scenario("cpus 4\ncost dispatch 500ns " + costs +
                    "\nthreads 9 run exp:900us sleep exp:700us times 60\n"
                    "threads 3 run exp:2ms sleep exp:200us times 30 cpus 1-2\nthreads 2 run 40ms\n");
}

// -> what happened.
sim::Result compare(sched::Policy& model, sched::Policy& real, const sim::Scenario& scenario,
                    std::uint64_t seed) {
    const auto [result, left] = recorded_with<sim::ServerModel>(model, scenario, seed);
    const auto [_, right] = recorded_with<DispatcherServer>(real, scenario, seed);
    REQUIRE(left.not_kept + right.not_kept == 0);
    REQUIRE(left.entries.size() > 50);  // with hints there is little to ask
    REQUIRE(first_difference(left, right) == left.entries.size());
    REQUIRE(left.entries.size() == right.entries.size());
    return result;
}

}  // namespace

TEST_CASE("dispatcher: the model of the server makes the same calls, under every policy") {
    for (const char* file :
         {"mixed.sim", "periodic.sim", "pinned.sim", "teams.sim", "chain.sim", "servers.sim"}) {
        const sim::Scenario scenario = scenario_file(file);
        for (const sched::PolicyEntry& entry : sched::known_policies()) {
            for (std::uint64_t seed = 1; seed <= 3; ++seed) {
                INFO(file << " policy " << entry.name << " seed " << seed);
                sched::PolicySeat first, second;
                cap::LineBuffer<400> error;
                sched::Policy* const model = first.prepare(entry, {}, {scenario.cpus}, error);
                sched::Policy* const real = second.prepare(entry, {}, {scenario.cpus}, error);
                if (model == nullptr) {
                    WARN(error.view());
                    break;
                }
                (void)compare(*model, *real, scenario, seed);
            }
        }
    }
}

TEST_CASE("dispatcher: also with hints, preemption, ticks, recalls and refused commits") {
    std::uint64_t refusals = 0, preemptions = 0, ticks = 0;
    for (const char* costs :
         {"event 2us commit 1us", "event 500ns commit 9us", "event 30us commit 70us", "event 0 commit 0"}) {
        const sim::Scenario scenario = busy(costs);
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            INFO(costs << " seed " << seed);
            Restless model, real;
            const sim::Result result = compare(model, real, scenario, seed);
            refusals += result.refusals;
            preemptions += result.preemptions;
            ticks += result.ticks;
        }
    }
    CHECK(refusals > 0);
    CHECK(preemptions > 100);
    CHECK(ticks > 100);
}

TEST_CASE("dispatcher: a server that calls otherwise is found") {
    Restless one, other;
    const sim::Scenario scenario = busy("event 2us commit 1us");
    const auto left = recorded_with<Repeating>(one, scenario, 1).recording;
    const auto right = recorded_with<DispatcherServer>(other, scenario, 1).recording;
    CHECK(first_difference(left, right) < std::min(left.entries.size(), right.entries.size()));
}
