// SPDX-License-Identifier: MIT
#include "simulation.hpp"

#include "assert_failed.hpp"
#include "inversion_watch.hpp"
#include "kernel_model.hpp"
#include "server_model.hpp"
#include "summary.hpp"

#include <algorithm>

namespace sim {
namespace {

// So long nothing but ticks may happen while threads are left.
constexpr std::uint64_t kStuckNs = 10'000'000'000;

class Simulation {
public:
    Simulation(const MakeServer& make, sched::Policy& policy, const Scenario& scenario, std::uint64_t seed)
        : world_(scenario, seed),
          policy_(policy),
          behaviour_(world_),
          kernel_(world_, behaviour_),
          inversions_(world_, policy),
          server_(make(world_, policy)) {}

    Result run() {
        try {
            steps();
            server_->finish();
            if (world_.scenario.has_calls) {
                kernel_.finish();
            }
        } catch (const AssertFailed& failed) {
            world_.expect(false, failed.what());
        }
        return summary(world_, policy_);
    }

private:
    void steps() {
        std::uint64_t moved_ns = 0;  // when anything but a tick happened last
        while (world_.gone < world_.due) {
            const std::uint64_t next_ns = next();
            if (next_ns > world_.scenario.end_ns) {
                world_.advance(world_.scenario.end_ns);
                world_.result.makespan_ns = world_.now_ns;
                break;
            }
            world_.expect(next_ns != kForever, "nothing will happen any more");
            ++world_.result.steps;
            world_.advance(next_ns);
            if (step()) {
                moved_ns = next_ns;
            }
            if (world_.scenario.has_calls) {
                inversions_.look();
            }
            world_.expect(next_ns - moved_ns <= kStuckNs, "nothing but ticks has happened for 10 s");
        }
    }

    [[nodiscard]] std::uint64_t next() const {
        std::uint64_t ns = server_->tick_ns();
        if (!world_.timers.empty()) {
            ns = std::min(ns, world_.timers.next_ns());
        }
        if (!world_.commits.empty()) {
            ns = std::min(ns, world_.commits.front().due_ns);
        }
        return world_.events.empty() ? ns : std::min(ns, world_.events.front().due_ns);
    }

    // What is due first: of several things a commit, then a timer, then the server. True unless it was only a tick.
    bool step() {
        if (!world_.commits.empty() && world_.commits.front().due_ns <= world_.now_ns) {
            const Commit commit = world_.commits.front();
            world_.commits.pop_front();
            if (const abi::Error error = kernel_.commit(commit); error != abi::Error::kOk) {
                server_->refused(commit, error);
                world_.tell_server(nullptr, commit.cpu);  // the agent makes a round
            }
            return true;
        }
        if (!world_.timers.empty() && world_.timers.next_ns() <= world_.now_ns) {
            timer(world_.timers.pop());
            return true;
        }
        const bool events = !world_.events.empty() && world_.events.front().due_ns <= world_.now_ns;
        server_->activate();
        return events;
    }

    void timer(const Timer& timer) {
        switch (timer.kind) {
            case Timer::Kind::kCpu: kernel_.timer(timer.index, timer.epoch); break;
            case Timer::Kind::kWake: kernel_.wake(world_.threads[timer.index]); break;
            case Timer::Kind::kArrival: kernel_.start(behaviour_.arrive(timer.index)); break;
        }
    }

    World world_;
    sched::Policy& policy_;
    Behaviour behaviour_;
    KernelModel kernel_;
    InversionWatch inversions_;
    std::unique_ptr<ServerSide> server_;
};

void check_affinities(const Scenario& scenario) {
    const std::uint64_t cpus =
        scenario.cpus.size() >= 64 ? kAnywhere : (std::uint64_t{1} << scenario.cpus.size()) - 1;
    for (const Crew& crew : scenario.crews) {
        const bool possible =
            (crew.affinity & cpus) != 0 && std::ranges::all_of(crew.trace, [&](const TraceThread& thread) {
                return (thread.affinity & cpus) != 0;
            });
        if (!possible || (crew.barrier && (crew.sleeps || crew.arrive.a != 0))) {
            throw BadScenario(scenario.name + (possible ? ": a barrier goes with neither sleep nor arrive"
                                                        : ": a thread may run on none of the CPUs"));
        }
    }
}

}  // namespace

Result simulate_with(const MakeServer& make, sched::Policy& policy, const Scenario& scenario,
                     std::uint64_t seed) {
    check_affinities(scenario);
    return Simulation(make, policy, scenario, seed).run();
}

Result simulate(sched::Policy& policy, const Scenario& scenario, std::uint64_t seed) {
    const auto make = [](World& world, sched::Policy& its_policy) {
        return std::make_unique<ServerModel>(world, its_policy);
    };
    return simulate_with(make, policy, scenario, seed);
}

}  // namespace sim
