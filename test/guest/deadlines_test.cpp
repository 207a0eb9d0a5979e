// SPDX-License-Identifier: MIT
//
// `edf` on one CPU of which each instruction takes the same time (icount), so that nothing but the kernel and the server take time from
// a real-time set: up to the utilisation that docs/writing-a-policy.md states no deadline is missed; of a set above it some are, and the
// policy says so; what goes beyond the limit is not admitted. permille=N: what the jobs take of the CPU, in place of the stated share.
#include "abi/sched_label.hpp"
#include "support/observe.hpp"
#include "support/server_seat.hpp"

namespace {

using namespace test;

// What the jobs take of the CPU, with budgets of all of it: in docs/writing-a-policy.md, too.
constexpr std::uint64_t kStatedPermille = 990;
constexpr std::uint64_t kWhole = 1000;
constexpr std::uint64_t kHyperperiodNs = 20 * kMillisecond;

struct Kind {
    std::uint32_t period_us;
    std::uint32_t share_permille;  // of the set
};
constexpr Kind kSet[] = {{4'000, 400}, {5'000, 300}, {10'000, 300}};

// Where a worker finds what it is to do, and leaves what came of it.
enum Value : std::size_t { kStart, kInterval, kSteps, kJobs, kLate };

void work(std::uint64_t steps) {
    for (std::uint64_t state = 1; steps != 0; --steps) {
        state = state * 6364136223846793005 + 1442695040888963407;
        asm volatile("" : "+r"(state));
    }
}

std::uint64_t run_jobs(Station& station, cap::Ring&) {
    const auto value = [&](Value which) { return station.values[which].load(); };
    std::uint64_t release = value(kStart);
    for (std::uint64_t job = 0; job < value(kJobs); ++job) {
        for (std::uint64_t now = cap::read_tsc(); now < release; now = cap::read_tsc()) {
            // In ticks, which are nanoseconds at least: a little too early, and once more.
            (void)cap::cap_enter(abi::kCqEntries, (release - now) / station.values[kLate + 1] + 1);
        }
        work(value(kSteps));
        release += value(kInterval);
        station.values[kLate] += cap::read_tsc() > release ? 1 : 0;
    }
    return 0;
}

// How many ticks a thousand steps take: the same each time, here.
std::uint64_t ticks_of_thousand_steps() {
    work(1000);
    const std::uint64_t begin = cap::read_tsc();
    work(100'000);
    return std::max<std::uint64_t>((cap::read_tsc() - begin) / 100, 1);
}

struct Outcome {
    std::uint64_t jobs = 0, late = 0;
    std::uint64_t admitted = 0, refused = 0, policys_misses = 0;
};

std::uint64_t number_in(std::string_view text, std::string_view name) {
    const auto found = cox::core::CommandLine(text).find(name);
    return found ? cox::core::parse_u64(*found).value_or(~0ull) : ~0ull;
}

// The set, with budgets of so much of a CPU together, of which the jobs take so much; and one more thread that asks for as much as the
// first of them if `too_many`.
Outcome run_set(Case& t, std::string_view server, std::uint64_t permille, std::uint64_t work_permille,
                std::uint64_t hyperperiods, bool too_many = false) {
    Outcome outcome;
    ServerSeat seat(t);
    if (t.failed() || !seat.start(server)) {
        return outcome;
    }
    Crew crew(t);
    const std::uint64_t thousand = ticks_of_thousand_steps();
    const std::uint64_t start = cap::read_tsc() + t.env.clock.ticks(5 * kMillisecond);
    for (std::size_t i = 0; i < std::size(kSet) + (too_many ? 1 : 0) && !t.failed(); ++i) {
        const Kind& kind = kSet[i % std::size(kSet)];
        const std::uint64_t wanted_us =
            std::uint64_t{kind.period_us} * kind.share_permille * permille / 1'000'000;
        const abi::SchedLabel label{.period_us = kind.period_us,
                                    .budget_us = static_cast<std::uint32_t>(wanted_us) /
                                                 abi::SchedLabel::kBudgetUnitUs *
                                                 abi::SchedLabel::kBudgetUnitUs};
        Worker& worker = crew.add({.main = run_jobs, .affinity = 1, .label = label.pack()});
        if (t.failed()) {
            return outcome;
        }
        auto& values = worker.station->values;
        values[kStart] = start;
        values[kInterval] = t.env.clock.ticks(std::uint64_t{kind.period_us} * 1000);
        values[kSteps] = t.env.clock.ticks(std::uint64_t{label.budget_us} * work_permille) * 1000 / thousand;
        values[kJobs] = hyperperiods * kHyperperiodNs / (std::uint64_t{kind.period_us} * 1000);
        values[kLate + 1] = std::max<std::uint64_t>(t.env.clock.ticks(1000) / 1000, 1);
        if (!worker.thread.start()) {
            t.fail("a thread cannot be started");
        }
    }
    sleep_ns((hyperperiods + 1) * kHyperperiodNs);
    for (Worker& worker : crew.workers()) {
        if (!comes_to(t, worker, abi::ThreadState::kGone)) {
            t.fail("thread {} does not end", worker.ref.index);
            return outcome;
        }
        outcome.jobs += worker.station->values[kJobs];
        outcome.late += worker.station->values[kLate];
    }
    if (const auto answer = seat.ask("statistics")) {
        outcome.admitted = number_in(answer->text, "admitted");
        outcome.refused = number_in(answer->text, "refused");
        outcome.policys_misses = number_in(answer->text, "deadline_misses");
        t.env.log.print("edf: budgets={} work={} jobs={} late={} {}", permille, work_permille, outcome.jobs,
                        outcome.late, answer->text);
    }
    return outcome;
}

void none_is_missed(Case& t) {
    const auto text = cox::core::CommandLine(t.env.arguments()).find("permille");
    const std::uint64_t permille = text ? cox::core::parse_u64(*text).value_or(0) : kStatedPermille;
    const Outcome outcome = run_set(t, "policy=edf utilisation_percent=100", kWhole, permille, 3);
    REQUIRE_EQUAL(t, outcome.admitted, std::size(kSet));
    REQUIRE(t, outcome.jobs > 30);
    REQUIRE_EQUAL(t, outcome.late, 0u);
    REQUIRE_EQUAL(t, outcome.policys_misses, 0u);
}

void above_they_are_missed(Case& t) {
    const Outcome outcome = run_set(t, "policy=edf utilisation_percent=100", kWhole, kWhole, 1);
    REQUIRE_EQUAL(t, outcome.admitted, std::size(kSet));
    REQUIRE(t, outcome.late > 0);
    REQUIRE(t, outcome.policys_misses > 0);
}

void too_much_is_refused(Case& t) {
    const Outcome outcome = run_set(t, "policy=edf", 800, 900, 1, true);
    REQUIRE_EQUAL(t, outcome.admitted, std::size(kSet));
    REQUIRE_EQUAL(t, outcome.refused, 1u);
    REQUIRE_EQUAL(t, outcome.policys_misses, 0u);
}

constexpr Entry kCases[] = {{"none_is_missed", none_is_missed},
                            {"above_they_are_missed", above_they_are_missed},
                            {"too_much_is_refused", too_much_is_refused}};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "deadlines", kCases); }
