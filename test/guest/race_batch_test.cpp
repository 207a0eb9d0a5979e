// SPDX-License-Identifier: MIT
//
// A batch of commits of which one meets the end of its thread: that one is told, the others do not notice. And a
// commit that sends the running thread away just as that one blocks.
#include "support/blocker.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// The helper kills the thread when it is met.
struct Killing {
    const Worker& victim;
    Race race{};
    std::atomic<std::uint64_t> done{0};  // round
};

std::uint64_t kill_when_met(cap::Ring&, void* argument) {
    Killing& killing = *static_cast<Killing*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        killing.race.meet(round);
        (void)killing.victim.thread.kill(9);
        killing.done = round;
    }
}

constexpr std::size_t kBatch = 5;
constexpr std::size_t kVictim = 2;

// All five as one batch, to all CPUs in turn -> the victim's result; the others must succeed.
Error commit_all(Case& t, const DomainServer& server, const std::array<Worker*, kBatch>& workers,
                 const std::array<std::uint32_t, kBatch>& sequences) {
    cap::Ring& ring = t.env.ring;
    for (std::size_t i = 0; i < kBatch; ++i) {
        const auto cpu = static_cast<std::uint32_t>(i % t.cpus());
        (void)ring.prepare(cap::submission(abi::Op::kCommit, server.domain().slot(), i, workers[i]->ref.raw(),
                                           abi::commit_word(sequences[i], cpu, 0), abi::kNoSlice));
    }
    auto victims = Error::kOk;
    if (!ring.submit_and_wait(kBatch)) {
        t.fail("the batch is not completed");
    }
    for (std::size_t i = 0; i < kBatch; ++i) {
        const auto completion = ring.next();
        if (!completion || completion->user_data != i || (i != kVictim && completion->result != 0)) {
            t.fail("entry {}: result {}", i, completion ? completion->result : 0);
        } else if (i == kVictim) {
            victims = static_cast<Error>(completion->result);
        }
    }
    return victims;
}

void batch_and_kill(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    std::array<Worker*, kBatch> workers{};
    std::array<std::uint32_t, kBatch> sequences{};
    for (Worker*& worker : workers) {
        worker = &crew.add({.order = Order::kWait});
        REQUIRE_OK(t, worker->thread.start());
    }
    Killing killing{*workers[kVictim]};
    Race& race = killing.race;
    const auto helper = Sibling::start(t.env, kill_when_met, &killing,
                                       {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)});
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        for (std::size_t i = 0; i < kBatch; ++i) {
            sequences[i] = workers[i]->word().sequence();
        }
        REQUIRE(t, race.meet_aimer(round, aim));
        const Error result = commit_all(t, server, workers, sequences);
        REQUIRE(t, !t.failed());
        REQUIRE(t, result == Error::kOk || result == Error::kGone || result == Error::kStaleSequence);
        REQUIRE(t, eventually(t.env.clock, [&] { return killing.done == round; }));
        REQUIRE(t, comes_to(t, *workers[kVictim], ThreadState::kGone));
        for (std::size_t i = 0; i < kBatch; ++i) {
            if (i == kVictim) {
                crew.renew(*workers[i], {.order = Order::kWait});
                REQUIRE_OK(t, workers[i]->thread.start());
                continue;
            }
            REQUIRE(t, comes_to(t, *workers[i], ThreadState::kWaiting));
            REQUIRE_EQUAL(t, workers[i]->word().sequence(),
                          sequences[i] + 2);  // queued, waiting: placed once
            workers[i]->ring_bell();
            REQUIRE_EQUAL(t, workers[i]->state(), ThreadState::kUnplaced);
        }
        (void)race.settle(result == Error::kOk);
        if (!race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: placed={} killed_before={}", race.aimer_wins(), race.actor_wins());
    REQUIRE(t, race.exercised());
}

void preempt_and_block(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Race* const race = crew.share<Race>();
    REQUIRE(t, race != nullptr);
    const std::uint32_t cpu = last_cpu(t);
    const Worker& running = crew.add({.main = wait_then_block_when_met, .argument = race});
    const Worker& urgent = crew.add({.order = Order::kWait});
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, server.start(running, cpu));
    REQUIRE_OK(t, urgent.thread.start());
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE(t, comes_to(t, running, ThreadState::kWaiting));
        running.ring_bell();
        REQUIRE_OK(t, server.place(running, cpu));
        const std::uint32_t sequence = running.word().sequence();
        const std::uint32_t urgents = urgent.word().sequence();
        REQUIRE(t, race->meet_aimer(round, aim));
        REQUIRE_OK(t, server.place(urgent, cpu, abi::kCommitHead | abi::kCommitPreempt));
        REQUIRE(t, comes_to(t, urgent, ThreadState::kWaiting));
        REQUIRE_EQUAL(t, urgent.word().sequence(), urgents + 2);
        REQUIRE(t, eventually(t.env.clock, [&] { return !is_placed(running.word()); }));
        const bool sent_away = running.state() == ThreadState::kUnplaced;
        REQUIRE_EQUAL(t, running.word().sequence(), sequence + 1);
        REQUIRE_EQUAL(t, running.word().cause(), sent_away ? Cause::kRecalled : Cause::kBlocked);
        if (sent_away) {
            REQUIRE_OK(t, server.place(running, cpu));
            REQUIRE(t, comes_to(t, running, ThreadState::kWaiting));
        }
        running.ring_bell();
        REQUIRE_OK(t, server.place(running, cpu));
        urgent.ring_bell();
        (void)race->settle(sent_away);
        if (!race->steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: blocked={} sent_away={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

constexpr Entry kCases[] = {
    {"batch_and_kill", batch_and_kill},
    {"preempt_and_block", preempt_and_block},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_batch", kCases); }
