// SPDX-License-Identifier: MIT
//
// Waiting for the end of a process or a thread just as it ends: the wait gets its exit code, once, whether it came
// before or after.
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/owned.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;

// The helper, on the last CPU, kills the process when it is met.
struct Ending {
    Race race{};
    std::atomic<std::uint64_t> process{0};
};

std::uint64_t kill_when_met(cap::Ring&, void* argument) {
    Ending& ending = *static_cast<Ending*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        ending.race.meet(round);
        (void)cap::Process(abi::CapSlot::from_raw(ending.process.load())).kill(round);
    }
}

// A process that has a thread, which waits to be started.
void wait_and_exit(Case& t) {
    Ending ending;
    Race& race = ending.race;
    const std::uint32_t last = t.cpus() - 1;
    const auto helper =
        MUST(t, Sibling::start(t.env, kill_when_met, &ending, {.affinity = only(last), .first_cpu = last}));
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    cap::Ring& ring = t.env.ring;
    for (std::uint64_t round = 1;; ++round) {
        const Owned process(MUST(t, t.env.process.create_process("ending")));
        abi::ThreadParams params{};
        params.ring_address = 0x20'0000;
        const Owned thread(MUST(t, process->create_thread(params)));
        ending.process = process->slot().raw();
        REQUIRE(t, race.meet_aimer(round, aim));
        REQUIRE_OK(t, ring.prepare(cap::submission(abi::Op::kWaitExit, process->slot(), round)));
        const std::uint64_t at_once = MUST(t, ring.submit_and_wait(0));
        REQUIRE(t, at_once <= 1);
        REQUIRE_OK(t, ring.submit_and_wait(1, patience_ns));
        const auto completion = ring.next();
        REQUIRE(t, completion.has_value());
        REQUIRE_EQUAL(t, completion->user_data, round);
        REQUIRE_EQUAL(t, completion->result, round);
        REQUIRE(t, !ring.next());
        // Whoever asks later is told as well.
        REQUIRE_EQUAL(t, MUST(t, process->wait_exit(ring, patience_ns)), round);
        (void)race.settle(at_once == 0);
        if (!race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: waited={} gone_before={}", race.aimer_wins(), race.actor_wins());
    REQUIRE(t, race.exercised());
}

// The helper, on the last CPU, is joined when it is met, and ends.
std::uint64_t end_when_met(cap::Ring&, void* argument) {
    Ending& ending = *static_cast<Ending*>(argument);
    const std::uint64_t round = ending.process.load();
    ending.race.meet(round);
    return round;
}

void join_and_exit(Case& t) {
    Ending ending;
    Race& race = ending.race;
    const std::uint32_t last = t.cpus() - 1;
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    cap::Ring& ring = t.env.ring;
    for (std::uint64_t round = 1;; ++round) {
        ending.process = round;
        auto thread = MUST(t, cap::JoiningThread::start(
                                  t.env, [&ending](cap::Ring& its) { return end_when_met(its, &ending); },
                                  {.affinity = only(last), .first_cpu = last}));
        REQUIRE(t, race.meet_aimer(round, aim));
        REQUIRE_OK(t, ring.prepare(cap::submission(abi::Op::kJoin, thread->slot(), round)));
        const std::uint64_t at_once = MUST(t, ring.submit_and_wait(0));
        REQUIRE(t, at_once <= 1);
        REQUIRE_OK(t, ring.submit_and_wait(1, patience_ns));
        const auto completion = ring.next();
        REQUIRE(t, completion.has_value());
        REQUIRE_EQUAL(t, completion->user_data, round);
        REQUIRE_EQUAL(t, completion->result, round);
        REQUIRE(t, !ring.next());
        REQUIRE_EQUAL(t, MUST(t, thread->status()).word.state(), abi::ThreadState::kGone);
        REQUIRE_EQUAL(t, MUST(t, thread.join(ring)), round);
        (void)race.settle(at_once == 0);
        if (!race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: waited={} gone_before={}", race.aimer_wins(), race.actor_wins());
    REQUIRE(t, race.exercised());
}

constexpr Entry kCases[] = {
    {"join_and_exit", join_and_exit},
    {"wait_and_exit", wait_and_exit},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_join", kCases); }
