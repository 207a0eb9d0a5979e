// SPDX-License-Identifier: MIT
//
// weights: for each CPU four threads of the weights 50, 100, 200 and 400 compute for a fixed time.
//
// Series `chunk`: the time that a fixed amount of work took, the waiting for the CPU included. Operations: chunks. Value
// `misplaced_permille`: the part of the CPU time, as the kernel accounts it, that went to others than the weights would have
// it. Fault `lose_chunk`: one thread counts a chunk that it has not done.
#include "workload/frame.hpp"
#include "workload/team.hpp"
#include "workload/work.hpp"

#include <algorithm>

namespace {

using workload::Histogram;

constexpr std::uint32_t kWeights[] = {50, 100, 200, 400};
constexpr std::uint64_t kPerCpu = std::size(kWeights);
constexpr std::uint64_t kMaxCpus = 8;
constexpr std::uint64_t kMaxThreads = kMaxCpus * kPerCpu;
constexpr std::uint64_t kNs = 100'000'000;  // times scale
constexpr std::uint64_t kChunkSteps = 20'000;

struct alignas(64) Thread {
    Histogram times;  // of chunks
    std::uint64_t state = 0;
    std::uint64_t chunks = 0;
};

std::array<Thread, kMaxThreads> threads;

// Whoever has done its part waits there until all have, and until the kernel's accounts were read.
struct Exit {
    cap::Latch arrived;
    cap::Latch open{1};
};

void compute(Thread& self, std::uint64_t end, bool lose_one) {
    std::uint64_t before = cap::read_tsc();
    while (before < end) {
        self.state = workload::work(self.state, lose_one && self.chunks == 0 ? 1 : kChunkSteps);
        ++self.chunks;
        const std::uint64_t now = cap::read_tsc();
        self.times.add(now - before);
        before = now;
    }
}

// By how much shares of CPU time differ from those of the weights, which are `count` threads in turns.
std::uint64_t misplaced_permille(std::span<const std::uint64_t> runtimes) {
    std::uint64_t total = 0;
    std::uint64_t weights = 0;
    for (std::size_t i = 0; i < runtimes.size(); ++i) {
        total += runtimes[i];
        weights += kWeights[i % kPerCpu];
    }
    std::uint64_t beyond = 0;
    for (std::size_t i = 0; i < runtimes.size(); ++i) {
        const std::uint64_t share = total / weights * kWeights[i % kPerCpu];
        beyond += runtimes[i] > share ? runtimes[i] - share : 0;
    }
    return total != 0 ? beyond * 1000 / total : 0;
}

cap::Result<void> weights(workload::Context& context) {
    const std::uint64_t count = std::min<std::uint64_t>(context.cpus, kMaxCpus) * kPerCpu;
    const std::uint64_t ticks = context.env.clock.ticks(kNs * context.scale);
    Exit exit{.arrived = cap::Latch(static_cast<std::uint32_t>(count))};
    workload::Team<kMaxThreads> team(context.env);
    for (std::uint64_t i = 0; i < count; ++i) {
        const bool lose_one = context.faulty && i == count - 1;
        threads[i].state = context.seed + i;
        TRY(team.add(
            [&context, &exit, i, ticks, lose_one] {
                compute(threads[i], context.report.began() + ticks, lose_one);
                exit.arrived.count_down();
                exit.open.wait();
            },
            {.weight = kWeights[i % kPerCpu]}));
    }
    TRY(team.begin(context.report));
    exit.arrived.wait();
    std::uint64_t chunks = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        chunks += threads[i].chunks;
    }
    const auto ended = context.report.end(chunks);
    std::array<std::uint64_t, kMaxThreads> runtimes{};
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto status = team[i]->status();
        context.report.check(status.has_value(), "thread {} has no account", i);
        runtimes[i] = status ? status->runtime_ns : 0;
    }
    exit.open.count_down();
    TRY(team.join());
    TRY(ended);

    static Histogram times;
    for (std::uint64_t i = 0; i < count; ++i) {
        const Thread& thread = threads[i];
        const std::uint64_t right = workload::outcome(context.seed + i, thread.chunks * kChunkSteps);
        context.report.check(thread.state == right, "thread {} has not done its {} chunks", i, thread.chunks);
        times.merge(thread.times);
    }
    context.report.series("chunk", times);
    context.report.value("misplaced_permille", misplaced_permille(std::span(runtimes).first(count)));
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"weights", "lose_chunk", weights}); }
