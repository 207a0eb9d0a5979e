// SPDX-License-Identifier: MIT
#include "behaviour.hpp"

#include <algorithm>

namespace sim {

Behaviour::Behaviour(World& world) : world_(world), states_(world.scenario.crews.size()) {
    std::uint32_t first = 0;
    for (std::uint32_t number = 0; number < states_.size(); ++number) {
        const Crew& crew = world.scenario.crews[number];
        State& state = states_[number];
        state.first = first;
        state.arrivals = Random(world.seed * 0x1'0001 + number);
        first += crew.count;
        world.due += crew.serves.empty() ? crew.count : 0;
        expect_next(number, crew.trace.empty() ? crew.start_ns : crew.trace.front().start_ns);
    }
}

// A thread that would come when no turn may begin any more does not come, nor do those behind it.
void Behaviour::expect_next(std::uint32_t crew, std::uint64_t at_ns) {
    if (at_ns >= world_.scenario.crews[crew].until) {
        world_.due -= world_.scenario.crews[crew].count - states_[crew].come;
        return;
    }
    world_.timers.push(Timer::Kind::kArrival, at_ns, crew);
}

SimThread& Behaviour::arrive(std::uint32_t number) {
    const Crew& crew = world_.scenario.crews[number];
    State& state = states_[number];
    SimThread& thread = world_.threads[state.first + state.come];
    thread.ref = {.index = state.first + state.come, .generation = 1};
    thread.crew = number;
    thread.in_crew = state.come;
    // Mixed, so that the sequences of neighbours do not overlap.
    thread.random = Random(Random(world_.seed + (std::uint64_t{thread.ref.index} << 24)).next());
    thread.born_ns = thread.release_ns = thread.ideal_ns = world_.now_ns;
    ++world_.come;
    world_.servers += crew.serves.empty() ? 0 : 1;
    if (++state.come < crew.count) {
        expect_next(number, crew.trace.empty() ? world_.now_ns + crew.arrive.sample(state.arrivals)
                                               : crew.trace[state.come].start_ns);
    }
    thread.begun_by = &thread;
    if (!crew.serves.empty()) {
        thread.affinity = crew.affinity;
        thread.label = crew.label;
        thread.remaining_ns = 1;  // until it receives
    } else if (crew.trace.empty()) {
        thread.affinity = crew.affinity;
        thread.label = crew.label;
        begin_turn(thread, crew);
    } else {
        const TraceThread& trace = crew.trace[thread.in_crew];
        thread.affinity = trace.affinity;
        thread.label = trace.label;
        thread.remaining_ns = std::max<std::uint64_t>(1, trace.phases.front());
        thread.ideal_ns += thread.remaining_ns;
        thread.turns = 1;
    }
    return thread;
}

// No turn is shorter than 1 ns, so that time goes on. What servers do in it is drawn by the thread that began it: so that does not
// depend on the order in which they are called, nor on the policy.
void Behaviour::begin_turn(SimThread& thread, const Crew& crew) {
    ++thread.turns;
    SimThread& first = *thread.begun_by;
    thread.remaining_ns = std::max<std::uint64_t>(1, crew.run.sample(first.random));
    first.ideal_ns += thread.remaining_ns;
    thread.calls_now = crew.calls != kNobody;
    if (thread.calls_now) {
        thread.then_ns = std::max<std::uint64_t>(1, crew.then.sample(first.random));
        first.ideal_ns += thread.then_ns;
    }
}

void Behaviour::serve(SimThread& server, SimThread& caller) {
    server.begun_by = caller.begun_by;
    begin_turn(server, world_.scenario.crews[server.crew]);
}

void Behaviour::replied(SimThread& caller) { caller.remaining_ns = caller.then_ns; }

Behaviour::Next Behaviour::sleep(SimThread& thread, std::uint64_t ns) {
    if (ns == 0) {
        return Next::kGoOn;
    }
    world_.timers.push(Timer::Kind::kWake, world_.now_ns + ns, thread.ref.index);
    return Next::kWait;
}

Behaviour::Next Behaviour::turn_ended(SimThread& thread) {
    released_.clear();
    const Crew& crew = world_.scenario.crews[thread.crew];
    if (!crew.trace.empty()) {
        return traced_turn_ended(thread, crew.trace[thread.in_crew]);
    }
    if (crew.period_ns != 0) {
        return job_ended(thread, crew);
    }
    if (crew.barrier) {
        return join_barrier(thread, crew);
    }
    const std::uint64_t pause = crew.sleeps ? crew.sleep.sample(thread.random) : 0;
    if (thread.turns == crew.times || world_.now_ns + pause >= crew.until) {
        return Next::kExit;
    }
    thread.ideal_ns += pause;
    begin_turn(thread, crew);
    return sleep(thread, pause);
}

// Phases are run, sleep, run, sleep ...; a sleep at the end counts for nothing.
Behaviour::Next Behaviour::traced_turn_ended(SimThread& thread, const TraceThread& trace) {
    const std::uint64_t at = 2 * thread.turns;
    if (at >= trace.phases.size()) {
        return Next::kExit;
    }
    ++thread.turns;
    thread.remaining_ns = std::max<std::uint64_t>(1, trace.phases[at]);
    thread.ideal_ns += trace.phases[at - 1] + thread.remaining_ns;
    return sleep(thread, trace.phases[at - 1]);
}

Behaviour::Next Behaviour::job_ended(SimThread& thread, const Crew& crew) {
    ++world_.result.jobs;
    thread.release_ns += crew.period_ns;
    if (world_.now_ns > thread.release_ns) {
        ++world_.result.deadline_misses;
    }
    if (thread.turns == crew.times || thread.release_ns >= crew.until) {
        return Next::kExit;
    }
    thread.ideal_ns = std::max(thread.ideal_ns, thread.release_ns);
    begin_turn(thread, crew);
    return sleep(thread, thread.release_ns > world_.now_ns ? thread.release_ns - world_.now_ns : 0);
}

Behaviour::Next Behaviour::join_barrier(SimThread& thread, const Crew& crew) {
    State& state = states_[thread.crew];
    if (state.closing) {
        return Next::kExit;
    }
    if (state.at_barrier.size() + 1 < crew.count) {
        state.at_barrier.push_back(&thread);
        return Next::kWait;
    }
    released_.swap(state.at_barrier);
    state.closing = thread.turns == crew.times || world_.now_ns >= crew.until;
    std::uint64_t ideal = thread.ideal_ns;
    for (const SimThread* other : released_) {
        ideal = std::max(ideal, other->ideal_ns);
    }
    const auto pass = [&](SimThread& member) {
        member.ideal_ns = ideal;
        if (!state.closing) {
            begin_turn(member, crew);
        }
    };
    std::ranges::for_each(released_, [&](SimThread* other) { pass(*other); });
    pass(thread);
    return state.closing ? Next::kExit : Next::kGoOn;
}

}  // namespace sim
