// SPDX-License-Identifier: MIT
//
// interactive: two threads that wake for a short burst now and then (priority 200), beside two for each CPU that compute
// all the time (priority 64), until those have done a fixed amount.
//
// Series `response`: from the moment at which a burst was due to its end. Operations: chunks of the computing threads. Fault
// `lose_chunk`: one of these leaves a chunk out.
#include "workload/frame.hpp"
#include "workload/schedule.hpp"
#include "workload/team.hpp"
#include "workload/work.hpp"

#include <algorithm>
#include <atomic>

namespace {

using workload::Histogram;

constexpr std::size_t kUsers = 2;
constexpr std::size_t kMaxBatch = 32;
constexpr std::uint64_t kBatchPerCpu = 2;
constexpr std::uint64_t kChunks = 100;  // of each, times scale
constexpr std::uint64_t kChunkSteps = 100'000;
constexpr std::uint64_t kThinkNs = 5'000'000;
constexpr std::uint64_t kApartNs = 700'000;  // from one user's pace to the next one's
constexpr std::uint64_t kBurstSteps = 20'000;

struct alignas(64) User {
    Histogram responses;
    std::uint64_t state = 0;
};

std::array<User, kUsers> users;
std::array<std::uint64_t, kMaxBatch> batch_states;
std::atomic<std::uint64_t> batch_left;

void compute(std::uint64_t& result, std::uint64_t state, std::uint64_t chunks, bool lose_one) {
    for (std::uint64_t chunk = lose_one ? 1 : 0; chunk < chunks; ++chunk) {
        state = workload::work(state, kChunkSteps);
    }
    result = state;
    batch_left.fetch_sub(
        1, std::memory_order_relaxed);  // says only when to stop: results are read after the join
}

void use(const cap::Clock& clock, cap::Ring& ring, User& user, std::uint64_t think_ns) {
    workload::Schedule schedule(clock, cap::read_tsc(), think_ns);
    do {
        const std::uint64_t due = schedule.next_to_come(ring);
        user.state = workload::work(user.state, kBurstSteps);
        user.responses.add(cap::read_tsc() - due);
    } while (batch_left.load(std::memory_order_relaxed) != 0);
}

cap::Result<void> interactive(workload::Context& context) {
    const std::uint64_t count = std::min<std::uint64_t>(context.cpus * kBatchPerCpu, kMaxBatch);
    const std::uint64_t chunks = kChunks * context.scale;
    batch_left = count;
    workload::Team<kMaxBatch + kUsers> team(context.env);
    for (std::uint64_t i = 0; i < kUsers; ++i) {
        TRY(team.add(
            [&context, i](cap::Ring& ring) {
                use(context.env.clock, ring, users[i], kThinkNs + i * kApartNs);
            },
            {.priority = 200}));
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t first = context.seed + i;
        const bool lose_one = context.faulty && i == 0;
        TRY(team.add([i, first, chunks, lose_one] { compute(batch_states[i], first, chunks, lose_one); },
                     {.priority = 64}));
    }
    TRY(team.begin(context.report));
    TRY(team.join());
    TRY(context.report.end(count * chunks));

    static Histogram responses;
    for (std::uint64_t i = 0; i < count; ++i) {
        context.report.check(batch_states[i] == workload::outcome(context.seed + i, chunks * kChunkSteps),
                             "computing thread {} has not done what it should", i);
    }
    for (const User& user : users) {
        context.report.check(user.state == workload::outcome(0, user.responses.count() * kBurstSteps),
                             "an interactive thread has not done what it should");
        responses.merge(user.responses);
    }
    context.report.series("response", responses);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"interactive", "lose_chunk", interactive}); }
