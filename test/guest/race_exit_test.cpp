// SPDX-License-Identifier: MIT
//
// A thread that exits by itself just when somebody kills it, recalls it, or commits it again and again: it
// ends once, and everybody is told what became of his part.
#include "support/observe.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

constexpr std::uint64_t kOwnCode = 5;
constexpr int kRound = 0;  // values[]

std::uint64_t exit_when_met(Station& station, cap::Ring&) {
    static_cast<Race*>(station.argument)->meet(station.values[kRound].load());
    return kOwnCode;
}

// A thread that exits at the given moment, on the last CPU, while this one, on CPU 0, does `act`.
// `settle(thread, result of act)`: whether act came first.
template <class Act, class Settle>
void against_an_exit(Case& t, Act act, Settle settle) {
    DomainServer server(t);
    Crew crew(t);
    Race* const race = crew.share<Race>();
    REQUIRE(t, race != nullptr);
    const WorkerOptions options{.main = exit_when_met, .argument = race, .first_cpu = last_cpu(t)};
    Worker& worker = crew.add(options);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        worker.station->values[kRound] = round;
        REQUIRE_OK(t, server.start(worker, last_cpu(t)));
        server.forget();
        REQUIRE(t, race->meet_aimer(round, aim));
        const cap::Result<void> result = act(server, worker);
        const bool act_won = settle(server, worker, result);
        REQUIRE(t, !t.failed());
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kGone);
        REQUIRE(t, eventually(t.env.clock, [&] { return server.heard(worker); }));
        (void)race->settle(act_won);
        if (!race->steer(round, aim)) {
            break;
        }
        crew.renew(worker, options);
    }
    t.env.log.print("race: exited={} other={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

void kill_and_exit(Case& t) {
    against_an_exit(
        t, [](DomainServer&, const Worker& worker) { return worker.thread.kill(9); },
        [&](DomainServer& server, const Worker& worker, const cap::Result<void>& killed) {
            const bool gone = comes_to(t, worker, ThreadState::kGone);
            const Line line = server.line(worker);
            if (!gone || !killed ||
                (line.word.cause() != Cause::kKilled && line.word.cause() != Cause::kExited)) {
                t.fail("gone: {}, cause {}", gone, static_cast<unsigned>(line.word.cause()));
            }
            return line.word.cause() == Cause::kKilled;
        });
}

// A recalled thread comes back unplaced; placed again, it exits after all.
void recall_and_exit(Case& t) {
    against_an_exit(
        t,
        [](DomainServer& server, const Worker& worker) {
            return server.commit(worker, 0, 0, abi::kCommitRecall);
        },
        [&](DomainServer& server, const Worker& worker, const cap::Result<void>& recalled) {
            // Accepted, and yet the exit may come first.
            const bool settled = eventually(t.env.clock, [&] {
                return worker.state() == ThreadState::kUnplaced || worker.state() == ThreadState::kGone;
            });
            const bool came_back = worker.state() == ThreadState::kUnplaced;
            if (!settled || (!recalled && (recalled.error() != Error::kGone || came_back))) {
                t.fail("settled: {}, unplaced: {}", settled, came_back);
            }
            if (came_back && (!server.place(worker, 0) || !comes_to(t, worker, ThreadState::kGone))) {
                t.fail("a recalled thread does not go on");
            }
            return came_back;
        });
}

std::uint64_t exit_at_once(Station&, cap::Ring&) { return kOwnCode; }

// Commits whatever the line shows, as fast as it can, from the last CPU.
struct Storm {
    DomainServer& server;
    std::atomic<std::uint64_t> ref{0};
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> gone{0};
    std::atomic<std::uint64_t> elsewhere{0};
    std::atomic<std::uint64_t> others{0};

    void commit(std::uint32_t cpu) {
        const auto target = abi::ThreadRef::from_raw(ref.load());
        if (!target) {
            return;
        }
        const std::uint32_t sequence = server.line(target.index).word.sequence();
        const auto committed = server.domain().commit(target, sequence, cpu, 0, 0);
        if (committed) {
            ++accepted;
            return;
        }
        switch (committed.error()) {
            case Error::kGone:
            case Error::kStaleRef: ++gone; break;
            case Error::kRunningElsewhere:
            case Error::kStaleSequence: ++elsewhere; break;
            case Error::kNotRunnable: break;  // not started yet
            default: ++others; break;
        }
    }
};

std::uint64_t commit_always(cap::Ring&, void* argument) {
    Storm& storm = *static_cast<Storm*>(argument);
    for (;;) {
        storm.commit(0);
    }
}

void storm_of_commits(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Storm storm{server};
    const auto helper = Sibling::start(t.env, commit_always, &storm, {.affinity = only(last_cpu(t))});
    REQUIRE_OK(t, helper);
    Worker& worker = crew.add({.main = exit_at_once});
    const auto one_life = [&] {
        const std::uint32_t sequence = worker.word().sequence();
        const std::uint64_t accepted = storm.accepted;
        storm.ref = worker.ref.raw();
        REQUIRE_OK(t, worker.thread.start());
        const bool ended = eventually(t.env.clock, [&] {
            storm.commit(last_cpu(t));
            return worker.state() == ThreadState::kGone;
        });
        storm.ref = 0;
        REQUIRE(t, ended);
        // Started, placed once, gone; and whoever placed it has been told so.
        REQUIRE_EQUAL(t, worker.word().sequence(), sequence + 3);
        REQUIRE(t, eventually(t.env.clock, [&] { return storm.accepted == accepted + 1; }));
        REQUIRE_EQUAL(t, worker.thread.status()->word.cause(), Cause::kExited);
        crew.renew(worker, {.main = exit_at_once});
    };
    for (int i = 0; i < 150 && !t.failed(); ++i) {
        one_life();
    }
    t.env.log.print("race: accepted={} gone={} elsewhere={}", storm.accepted.load(), storm.gone.load(),
                    storm.elsewhere.load());
    REQUIRE_EQUAL(t, storm.others.load(), 0);
    REQUIRE(t, storm.gone.load() > 0);
    REQUIRE(t, storm.elsewhere.load() > 0);
}

constexpr Entry kCases[] = {
    {"kill_and_exit", kill_and_exit},
    {"recall_and_exit", recall_and_exit},
    {"storm_of_commits", storm_of_commits},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_exit", kCases); }
