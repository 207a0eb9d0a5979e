// SPDX-License-Identifier: MIT
//
// periodic: for each CPU a real-time set of three threads, with periods of 20, 40 and 80 ms and 15, 10 and 5 % of a CPU, beside two
// threads that compute (priority 32) until they have done what takes a quarter of the run. Labels have period, budget and
// rate-monotonic priority. Deadlines are the next release.
//
// Series `response`: from a job's release to its end. Operations: jobs. Value `missed_permille`: jobs that ended after their
// deadline. A job that is late is not left out: the next one follows at once. Fault `lose_job`: one is counted and not done.
#include "workload/frame.hpp"
#include "workload/schedule.hpp"
#include "workload/team.hpp"
#include "workload/work.hpp"

#include <algorithm>

namespace {

using workload::Histogram;
using workload::SchedLabel;

struct Kind {
    std::uint32_t period_us;
    std::uint32_t percent;  // of a CPU
    std::uint32_t priority;
};
constexpr Kind kKinds[] = {{20'000, 15, 220}, {40'000, 10, 200}, {80'000, 5, 180}};
constexpr std::uint64_t kHyperperiodUs = 80'000;
constexpr std::uint64_t kHyperperiods = 2;  // times scale
constexpr std::uint64_t kMaxCpus = 8;
constexpr std::uint64_t kMaxTasks = kMaxCpus * std::size(kKinds);
constexpr std::uint64_t kBatchPerCpu = 2;
constexpr std::uint64_t kMaxBatch = kMaxCpus * kBatchPerCpu;
constexpr std::uint64_t kBudgetPercent = 125;  // of what its work takes, as measured: room for interrupts

struct alignas(64) Task {
    std::uint64_t state = 0;
    std::uint64_t steps = 0;  // of a job
    std::uint64_t jobs = 0;
    std::uint64_t missed = 0;
    Histogram responses;
};

std::array<Task, kMaxTasks> tasks;
std::array<std::uint64_t, kMaxBatch> batch_states;

// How long a thousand steps take on this machine, at best.
std::uint64_t ticks_of_thousand_steps() {
    constexpr std::uint64_t kThousands = 100;
    std::uint64_t best = ~std::uint64_t{0};
    for (int i = 0; i < 5; ++i) {
        const std::uint64_t begin = cap::read_tsc();
        (void)workload::work(begin, kThousands * 1000);
        best = std::min(best, cap::read_tsc() - begin);
    }
    return std::max<std::uint64_t>(best / kThousands, 1);
}

void run_jobs(const cap::Clock& clock, cap::Ring& ring, Task& task, std::uint64_t start, const Kind& kind,
              bool lose_one) {
    const std::uint64_t jobs = task.jobs;
    workload::Schedule schedule(clock, start, std::uint64_t{kind.period_us} * 1000);
    for (std::uint64_t job = 0; job < jobs; ++job) {
        const std::uint64_t release = schedule.next(ring);
        if (!lose_one || job != jobs / 2) {
            task.state = workload::work(task.state, task.steps);
        }
        const std::uint64_t response = cap::read_tsc() - release;
        task.responses.add(response);
        task.missed += response > schedule.interval() ? 1 : 0;
    }
}

SchedLabel label_of(const Kind& kind) {
    const std::uint64_t budget_us = std::uint64_t{kind.period_us} * kind.percent * kBudgetPercent / 10'000;
    return {.priority = kind.priority,
            .period_us = kind.period_us,
            .budget_us = static_cast<std::uint32_t>(budget_us / SchedLabel::kBudgetUnitUs) *
                         SchedLabel::kBudgetUnitUs};
}

cap::Result<void> periodic(workload::Context& context) {
    const std::uint64_t cpus = std::min<std::uint64_t>(context.cpus, kMaxCpus);
    const std::uint64_t count = cpus * std::size(kKinds);
    const std::uint64_t length_us = kHyperperiods * context.scale * kHyperperiodUs;
    const std::uint64_t thousand = ticks_of_thousand_steps();
    const auto steps_in = [&](std::uint64_t us) {
        return context.env.clock.ticks(us * 1000) * 1000 / thousand;
    };
    const std::uint64_t batch_steps = steps_in(length_us / 4);
    workload::Team<kMaxTasks + kMaxBatch> team(context.env);
    std::uint64_t jobs = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const Kind& kind = kKinds[i % std::size(kKinds)];
        Task& task = tasks[i];
        task.steps = steps_in(std::uint64_t{kind.period_us} * kind.percent / 100);
        task.jobs = length_us / kind.period_us;
        task.state = context.seed + i;
        jobs += task.jobs;
        const bool lose_one = context.faulty && i == 0;
        TRY(team.add(
            [&context, &task, &kind, lose_one](cap::Ring& ring) {
                run_jobs(context.env.clock, ring, task, context.report.began(), kind, lose_one);
            },
            label_of(kind)));
    }
    for (std::uint64_t i = 0; i < cpus * kBatchPerCpu; ++i) {
        TRY(team.add([i, batch_steps] { batch_states[i] = workload::work(i, batch_steps); },
                     {.priority = 32}));
    }
    TRY(team.begin(context.report));
    TRY(team.join());
    TRY(context.report.end(jobs));

    static Histogram all;
    std::uint64_t missed = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const Task& task = tasks[i];
        const std::uint64_t right = workload::outcome(context.seed + i, task.jobs * task.steps);
        context.report.check(task.state == right, "task {} has not done its {} jobs", i, task.jobs);
        missed += task.missed;
        all.merge(task.responses);
    }
    for (std::uint64_t i = 0; i < cpus * kBatchPerCpu; ++i) {
        context.report.check(batch_states[i] == workload::outcome(i, batch_steps),
                             "computing thread {} has not done what it should", i);
    }
    context.report.check(all.count() == jobs, "{} jobs of {}", all.count(), jobs);
    context.report.series("response", all);
    context.report.value("missed_permille", missed * 1000 / jobs);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"periodic", "lose_job", periodic}); }
