// SPDX-License-Identifier: MIT
#include "summary.hpp"

#include "attributes.hpp"

#include <algorithm>
#include <bit>
#include <map>

namespace sim {
namespace {

class Numbers final : public sched::Report {
public:
    explicit Numbers(std::vector<std::pair<std::string, std::uint64_t>>& into) : into_(into) {}
    void number(std::string_view name, std::uint64_t value) override { into_.emplace_back(name, value); }

private:
    std::vector<std::pair<std::string, std::uint64_t>>& into_;
};

// No schedule is shorter: all CPUs work from the first arrival on, so do those that a set of threads is confined to, and each
// thread has a CPU of its own.
std::uint64_t bound(const World& world) {
    struct Demand {
        std::uint64_t service = 0;
        std::uint64_t first = kForever;
    };
    std::map<std::uint64_t, Demand> demands;
    demands[kAnywhere];
    for (const SimThread& thread : world.threads) {
        demands[thread.affinity];
    }
    std::uint64_t most = 0;
    for (const SimThread& thread : world.threads) {
        if (thread.state == abi::ThreadState::kCreated) {
            continue;
        }
        most = std::max(most, thread.ideal_ns);
        for (auto& [mask, demand] : demands) {
            if ((thread.affinity & ~mask) == 0) {
                demand.service += thread.service_ns;
                demand.first = std::min(demand.first, thread.born_ns);
            }
        }
    }
    const std::uint64_t cpus = world.cpus.size();
    const std::uint64_t existing = cpus >= 64 ? kAnywhere : (std::uint64_t{1} << cpus) - 1;
    for (const auto& [mask, demand] : demands) {
        const std::uint64_t width =
            mask == kAnywhere ? cpus : static_cast<std::uint64_t>(std::popcount(mask & existing));
        if (demand.service != 0) {
            most = std::max(most, demand.first + (demand.service + width - 1) / width);
        }
    }
    return most;
}

// Jain's index of what each thread got of the time in which it wanted to run, by its weight.
double fairness(const World& world) {
    double sum = 0;
    double squares = 0;
    std::uint64_t count = 0;
    for (const SimThread& thread : world.threads) {
        const bool waits =
            thread.state == abi::ThreadState::kUnplaced || thread.state == abi::ThreadState::kQueued;
        const std::uint64_t waited = thread.waited_ns + (waits ? world.now_ns - thread.waiting_since_ns : 0);
        if (thread.service_ns + waited == 0) {
            continue;
        }
        const double share = static_cast<double>(thread.service_ns) /
                             static_cast<double>(thread.service_ns + waited) /
                             sched::Attributes::of(thread.label).weight;
        sum += share;
        squares += share * share;
        ++count;
    }
    return squares == 0 ? 1 : sum * sum / (squares * static_cast<double>(count));
}

Latency latency_of(const Histogram& histogram) {
    return {histogram.count(), histogram.permille(500), histogram.permille(900), histogram.permille(990),
            histogram.most()};
}

}  // namespace

Result summary(World& world, const sched::Policy& policy) {
    Result result = std::move(world.result);
    result.policy = policy.name();
    result.scenario = world.scenario.name;
    result.seed = world.seed;
    result.cpus = static_cast<std::uint32_t>(world.cpus.size());
    result.threads = world.come;
    result.unfinished = world.come - world.servers - world.gone;
    result.bound_ns = result.unfinished == 0 ? bound(world) : 0;
    result.wake = latency_of(world.wake_latency);
    for (std::uint32_t crew = 0; crew < world.call_times.size(); ++crew) {
        if (world.call_times[crew].count() != 0) {
            result.calls.push_back({world.scenario.crews[crew].line, latency_of(world.call_times[crew])});
        }
    }
    for (const SimThread& thread : world.threads) {
        if (thread.state == abi::ThreadState::kUnplaced || thread.state == abi::ThreadState::kQueued) {
            result.longest_wait_ns = std::max(result.longest_wait_ns, world.now_ns - thread.waiting_since_ns);
        }
    }
    result.fairness = fairness(world);
    Numbers numbers(result.policy_numbers);
    policy.statistics(numbers);
    world.fold.add(result.makespan_ns);
    world.fold.add(result.service_ns);
    world.fold.add(result.steps);
    result.hash = world.fold.value();
    return result;
}

}  // namespace sim
