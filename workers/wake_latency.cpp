// SPDX-License-Identifier: MIT
//
// wake_latency: on each CPU's behalf a thread sleeps until one moment after the other and looks how late it is (in the manner of
// T. Gleixner's cyclictest). Nothing else runs.
//
// Series `wake`: from the moment at which the time-out was due to the thread's first instruction. Operations: wakes. Fault
// `early`: one thread sleeps half as long as it should.
#include "workload/frame.hpp"
#include "workload/schedule.hpp"
#include "workload/team.hpp"

#include <algorithm>

namespace {

using workload::Histogram;

constexpr std::size_t kMaxSleepers = 16;
constexpr std::uint64_t kWakes = 40;  // of each, times scale
constexpr std::uint64_t kIntervalNs = 4'000'000;
constexpr std::uint64_t kApartNs =
    500'000;  // from one's interval to the next one's, so that they drift past each other
constexpr std::uint64_t kEarliestTicks = 1'000;  // before its time a wake is early: clocks are rounded

struct alignas(64) Sleeper {
    Histogram wakes;
    std::uint64_t early = 0;
};

std::array<Sleeper, kMaxSleepers> sleepers;

void sleep_and_wake(const cap::Clock& clock, cap::Ring& ring, Sleeper& sleeper, std::uint64_t interval_ns,
                    std::uint64_t wakes, bool hurry) {
    const std::uint64_t interval = clock.ticks(interval_ns);
    std::uint64_t due = cap::read_tsc();
    for (std::uint64_t i = 0; i < wakes; ++i) {
        due = std::max(due, cap::read_tsc() - interval) + interval;  // what has passed already is left out
        const std::uint64_t now = cap::read_tsc();
        const std::uint64_t ns = now < due ? clock.ns(due - now) + 1 : 1;
        (void)ring.submit_and_wait(1, hurry ? ns / 2 : ns);  // times out: nothing is in flight
        const std::uint64_t woken = cap::read_tsc();
        sleeper.early += woken + kEarliestTicks < due ? 1 : 0;
        sleeper.wakes.add(woken > due ? woken - due : 0);
    }
}

cap::Result<void> wake_latency(workload::Context& context) {
    const std::uint64_t count = std::min<std::uint64_t>(context.cpus, kMaxSleepers);
    const std::uint64_t wakes = kWakes * context.scale;
    workload::Team<kMaxSleepers> team(context.env);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t interval_ns = kIntervalNs + i * kApartNs;
        const bool hurry = context.faulty && i == 0;
        TRY(team.add(
            [&context, i, interval_ns, wakes, hurry](cap::Ring& ring) {
                sleep_and_wake(context.env.clock, ring, sleepers[i], interval_ns, wakes, hurry);
            },
            {.priority = 200,
             .period_us = static_cast<std::uint32_t>(interval_ns / 1000),
             .budget_us = 200}));
    }
    TRY(team.begin(context.report));
    TRY(team.join());
    TRY(context.report.end(count * wakes));

    static Histogram all;
    std::uint64_t early = 0;
    for (const Sleeper& sleeper : sleepers) {
        all.merge(sleeper.wakes);
        early += sleeper.early;
    }
    context.report.check(all.count() == count * wakes, "{} wakes of {}", all.count(), count * wakes);
    context.report.check(early == 0, "{} wakes came early", early);
    context.report.series("wake", all);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"wake_latency", "early", wake_latency}); }
