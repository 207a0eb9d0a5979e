// SPDX-License-Identifier: MIT
//
// gang: two gangs, each of as many threads as there are CPUs (two at least), compute in phases: in each a thread makes its new value of its
// own and its left neighbour's, and waits at its gang's barrier, where it spins for a while before it parks.
//
// Series `phase`: from barrier to barrier. Operations: phases. Fault `stale`: one thread once takes its neighbour's value of
// the phase before.
#include "workload/frame.hpp"
#include "workload/spin_barrier.hpp"
#include "workload/team.hpp"
#include "workload/work.hpp"

#include <algorithm>

namespace {

using workload::Histogram;

constexpr std::uint32_t kGangs = 2;
constexpr std::uint32_t kMaxMembers = 8;
constexpr std::uint64_t kPhases = 100;  // times scale
constexpr std::uint64_t kSteps = 20'000;
constexpr std::uint64_t kSpinNs = 200'000;

struct alignas(64) Cell {
    std::uint64_t value = 0;
};
using Row = std::array<Cell, kMaxMembers>;

struct Gang {
    std::array<Row, 2> rows;  // of the phase before, and of this one, in turns
    workload::SpinBarrier barrier;
    Histogram phases;  // its first member's
};

std::array<Gang, kGangs> gangs;

constexpr std::uint64_t mixed(std::uint64_t own, std::uint64_t left) {
    return own ^ (left << 7 | left >> 57);
}

void take_part(Gang& gang, std::uint32_t member, std::uint32_t members, std::uint64_t phases, bool stale) {
    const std::uint32_t left = (member + members - 1) % members;
    std::uint64_t before = cap::read_tsc();
    for (std::uint64_t phase = 0; phase < phases; ++phase) {
        const Row& from = gang.rows[phase % 2];
        const Row& old = gang.rows[stale && phase == phases / 2 ? (phase + 1) % 2 : phase % 2];
        const std::uint64_t value = mixed(from[member].value, old[left].value);
        gang.rows[(phase + 1) % 2][member].value = workload::work(value, kSteps);
        gang.barrier.arrive_and_wait();
        if (member == 0) {
            const std::uint64_t now = cap::read_tsc();
            gang.phases.add(now - before);
            before = now;
        }
    }
}

void prepare(Row& row, std::uint64_t seed) {
    for (std::uint32_t member = 0; member < kMaxMembers; ++member) {
        row[member].value = seed + member;
    }
}

// What the members must have come to, calculated one after the other.
Row expected(std::uint64_t seed, std::uint32_t members, std::uint64_t phases) {
    std::array<Row, 2> rows;
    prepare(rows[0], seed);
    for (std::uint64_t phase = 0; phase < phases; ++phase) {
        const Row& from = rows[phase % 2];
        for (std::uint32_t member = 0; member < members; ++member) {
            const std::uint64_t left = from[(member + members - 1) % members].value;
            rows[(phase + 1) % 2][member].value = workload::outcome(mixed(from[member].value, left), kSteps);
        }
    }
    return rows[phases % 2];
}

cap::Result<void> gang(workload::Context& context) {
    const std::uint32_t members = std::clamp<std::uint32_t>(context.cpus, 2, kMaxMembers);
    const std::uint64_t phases = kPhases * context.scale;
    workload::Team<kGangs * kMaxMembers> team(context.env);
    for (std::uint32_t g = 0; g < kGangs; ++g) {
        prepare(gangs[g].rows[0], context.seed + g);
        gangs[g].barrier.prepare(members, context.env.clock.ticks(kSpinNs));
        for (std::uint32_t member = 0; member < members; ++member) {
            const bool stale = context.faulty && g == 0 && member == 0;
            TRY(team.add(
                [g, member, members, phases, stale] { take_part(gangs[g], member, members, phases, stale); },
                {.group = g + 1}));
        }
    }
    TRY(team.begin(context.report));
    TRY(team.join());
    TRY(context.report.end(kGangs * phases));

    static Histogram all;
    for (std::uint32_t g = 0; g < kGangs; ++g) {
        const Row right = expected(context.seed + g, members, phases);
        for (std::uint32_t member = 0; member < members; ++member) {
            const std::uint64_t value = gangs[g].rows[phases % 2][member].value;
            context.report.check(value == right[member].value, "gang {} member {}: {:x}, not {:x}", g, member,
                                 value, right[member].value);
        }
        all.merge(gangs[g].phases);
    }
    context.report.series("phase", all);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"gang", "stale", gang}); }
