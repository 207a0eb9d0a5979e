// SPDX-License-Identifier: MIT
//
// A CPU is reclaimed, or a server loses its say, just as one of its threads is placed, woken, blocks or ends: either comes first, and no thread
// or wake is lost. docs/domains.md.
#include "support/blocker.hpp"
#include "support/domains.hpp"
#include "support/observe.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"
#include "support/wake_ledger.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// A child with a CPU and the test as its server, and a thread in it.
struct Stage {
    Stage(Case& its_case, std::uint32_t its_cpu)
        : t(its_case),
          cpu(its_cpu),
          root(root_domain(t)),
          child(cap::SchedDomain(root.create_child().value_or(cap::SchedDomain()))) {
        lend();
    }
    ~Stage() {
        crew.reset();
        server.reset();
        WakeLedgerCheck check(root, t.env.clock);
        (void)check.look_at_rest();
        check.report(t);
        (void)root.reclaim_cpu(cpu);
        if (!comes_back()) {
            t.fail("cpu {} does not come back", cpu);
        }
    }
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    bool lend() const {
        return root.lend_cpu(cpu, *child) && eventually(t.env.clock, [&] { return has(*child, cpu); });
    }
    [[nodiscard]] bool comes_back() const {
        return eventually(t.env.clock, [&] { return has(root, cpu); });
    }
    void serve(cap::SchedDomain by) { server.emplace(t, only(cpu), by); }

    Case& t;
    std::uint32_t cpu;
    cap::SchedDomain root;
    Owned<cap::SchedDomain> child;
    std::optional<DomainServer> server;
    std::optional<Crew> crew;
};

// Each round moves a CPU or a server, which takes its time.
bool enough(const Race& race, std::uint64_t rounds) { return rounds >= 30 && race.exercised(); }

// What a helper on the last CPU does when it is met.
struct Helper {
    explicit Helper(Stage& its_stage) : stage(its_stage) {}
    virtual Error act() = 0;

    [[nodiscard]] cap::Result<Sibling> start(const Case& t) {
        return Sibling::start(t.env, run, this, {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)});
    }
    Error result_of(Case& t, std::uint64_t round) const {
        if (!eventually(t.env.clock, [&] { return done == round; })) {
            t.fail("the helper does not answer in round {}", round);
        }
        return result.load();
    }

    Stage& stage;
    const Worker* worker = nullptr;
    Race race{};
    std::atomic<std::uint32_t> sequence{0};
    std::atomic<Error> result{Error::kOk};
    std::atomic<std::uint64_t> done{0};

protected:
    ~Helper() = default;

private:
    static std::uint64_t run(cap::Ring&, void* argument) {
        Helper& self = *static_cast<Helper*>(argument);
        for (std::uint64_t round = 1;; ++round) {
            self.race.meet(round);
            self.result = self.act();
            self.done = round;
        }
    }
};

struct Placing final : Helper {
    using Helper::Helper;
    Error act() override {
        const auto placed = stage.server->commit(*worker, sequence.load(), stage.cpu);
        return placed ? Error::kOk : placed.error();
    }
};

struct Ringing final : Helper {
    using Helper::Helper;
    Error act() override {
        worker->ring_bell();
        return Error::kOk;
    }
};

// By a helper on the CPU that is reclaimed, or on another one.
void reclaim_and_commit(Case& t, std::uint32_t cpu) {
    Stage stage(t, cpu);
    stage.serve(*stage.child);
    stage.crew.emplace(t, *stage.child);
    const Worker& worker = stage.crew->add({.first_cpu = cpu});
    Placing placing(stage);
    placing.worker = &worker;
    const auto helper = placing.start(t);
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, worker.thread.start());
    std::uint64_t lost = 0;
    for (std::uint64_t round = 1;; ++round) {
        stage.server->forget();
        placing.sequence = worker.word().sequence();
        REQUIRE(t, placing.race.meet_aimer(round, aim));
        REQUIRE_OK(t, stage.root.reclaim_cpu(cpu));
        const Error his = placing.result_of(t, round);
        REQUIRE(t, his == Error::kOk || his == Error::kCpuNotYours);
        REQUIRE(t, stage.comes_back());
        REQUIRE(t, becomes(t, *stage.server, worker, ThreadState::kUnplaced));
        if (his == Error::kOk) {
            REQUIRE_EQUAL(t, worker.word().cause(), Cause::kCpuLost);
            ++lost;
        }
        REQUIRE(t, stage.lend());
        (void)placing.race.settle(his != Error::kOk);
        if (!placing.race.steer(round, aim) || enough(placing.race, round)) {
            break;
        }
    }
    t.env.log.print("race: placed={} refused={}", lost, placing.race.aimer_wins());
    REQUIRE(t, placing.race.exercised());
}
void reclaim_and_commit_there(Case& t) { reclaim_and_commit(t, last_cpu(t)); }
void reclaim_and_commit_from_elsewhere(Case& t) { reclaim_and_commit(t, 0); }

// Hinted to the CPU. Each wake is heard once, wherever it has met the reclaim.
void reclaim_and_wake(Case& t) {
    Stage stage(t, t.cpus() > 2 ? 1 : 0);
    stage.serve(*stage.child);
    stage.crew.emplace(t, *stage.child);
    const Worker& worker = stage.crew->add({.order = Order::kWait, .first_cpu = stage.cpu});
    REQUIRE_OK(t, stage.server->start(worker, stage.cpu));
    REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    stage.server->hint(worker, abi::kHintWake, stage.cpu);
    Ringing ringing(stage);
    ringing.worker = &worker;
    const auto helper = ringing.start(t);
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    std::uint64_t lost = 0;
    for (std::uint64_t round = 1;; ++round) {
        const std::uint64_t heard = worker.station->waits_done;
        REQUIRE(t, ringing.race.meet_aimer(round, aim));
        REQUIRE_OK(t, stage.root.reclaim_cpu(stage.cpu));
        REQUIRE_EQUAL(t, ringing.result_of(t, round), Error::kOk);
        REQUIRE(t, stage.comes_back());
        REQUIRE(t, eventually(t.env.clock, [&] { return !is_placed(worker.word()); }));
        const abi::ThreadWord word = worker.word();
        const bool reclaimed_first = word.state() == ThreadState::kUnplaced && word.cause() == Cause::kWoken;
        if (!reclaimed_first && word.state() == ThreadState::kUnplaced) {
            REQUIRE_EQUAL(t, word.cause(), Cause::kCpuLost);
            ++lost;
        }
        REQUIRE(t, stage.lend());
        if (word.state() == ThreadState::kUnplaced) {
            REQUIRE_OK(t, stage.server->place(worker, stage.cpu));
        }
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        REQUIRE_EQUAL(t, worker.station->waits_done.load(), heard + 1);
        (void)ringing.race.settle(reclaimed_first);
        if (!ringing.race.steer(round, aim) || enough(ringing.race, round)) {
            break;
        }
    }
    t.env.log.print("race: woken={} lost={} reclaimed={}", ringing.race.actor_wins(), lost,
                    ringing.race.aimer_wins());
    REQUIRE(t, ringing.race.exercised());
}

void reclaim_and_block(Case& t) {
    Stage stage(t, last_cpu(t));
    stage.serve(*stage.child);
    stage.crew.emplace(t, *stage.child);
    Race* const race = stage.crew->share<Race>();
    REQUIRE(t, race != nullptr);
    const Worker& worker =
        stage.crew->add({.main = wait_then_block_when_met, .argument = race, .first_cpu = stage.cpu});
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, stage.server->start(worker, stage.cpu));
    for (std::uint64_t round = 1;; ++round) {
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        worker.ring_bell();
        REQUIRE_OK(t, stage.server->place(worker, stage.cpu));
        REQUIRE(t, race->meet_aimer(round, aim));
        REQUIRE_OK(t, stage.root.reclaim_cpu(stage.cpu));
        REQUIRE(t, stage.comes_back());
        REQUIRE(t, !is_placed(worker.word()));
        const bool came_back = worker.state() == ThreadState::kUnplaced;
        REQUIRE(t, stage.lend());
        if (came_back) {
            REQUIRE_EQUAL(t, worker.word().cause(), Cause::kCpuLost);
            REQUIRE_OK(t, stage.server->place(worker, stage.cpu));
            REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        }
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kWaiting);
        worker.ring_bell();
        REQUIRE_OK(t, stage.server->place(worker, stage.cpu));
        (void)race->settle(came_back);
        if (!race->steer(round, aim) || enough(*race, round)) {
            break;
        }
    }
    t.env.log.print("race: blocked={} lost={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

// Meets once, and ends.
std::uint64_t end_when_met(Station& station, cap::Ring&) {
    static_cast<Race*>(station.argument)->meet(station.values[0].load());
    return 0;
}

void reclaim_and_exit(Case& t) {
    Stage stage(t, last_cpu(t));
    stage.serve(*stage.child);
    stage.crew.emplace(t, *stage.child);
    Race* const race = stage.crew->share<Race>();
    REQUIRE(t, race != nullptr);
    (void)stage.crew->add();  // the process stays when the other has gone
    const WorkerOptions options{.main = end_when_met, .argument = race, .first_cpu = stage.cpu};
    Worker& worker = stage.crew->add(options);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        worker.station->values[0] = round;
        REQUIRE_OK(t, stage.server->start(worker, stage.cpu));
        REQUIRE(t, race->meet_aimer(round, aim));
        REQUIRE_OK(t, stage.root.reclaim_cpu(stage.cpu));
        REQUIRE(t, stage.comes_back());
        const bool came_back = worker.state() == ThreadState::kUnplaced;
        REQUIRE(t, stage.lend());
        if (came_back) {
            REQUIRE_EQUAL(t, worker.word().cause(), Cause::kCpuLost);
            REQUIRE_OK(t, stage.server->place(worker, stage.cpu));
        }
        REQUIRE(t,
                came_back ? comes_to(t, worker, ThreadState::kGone) : worker.state() == ThreadState::kGone);
        (void)race->settle(came_back);
        if (!race->steer(round, aim) || enough(*race, round)) {
            break;
        }
        stage.crew->renew(worker, options);
    }
    t.env.log.print("race: ended={} lost={}", race->actor_wins(), race->aimer_wins());
    REQUIRE(t, race->exercised());
}

// The server's capability is revoked as it commits: the thread runs, by the server or by the kernel.
void revoke_and_commit(Case& t) {
    Stage stage(t, t.cpus() > 2 ? 1 : 0);
    stage.crew.emplace(t, *stage.child);
    const Worker& worker = stage.crew->add({.order = Order::kWait, .first_cpu = stage.cpu});
    Placing placing(stage);
    placing.worker = &worker;
    const auto helper = placing.start(t);
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    for (std::uint64_t round = 1;; ++round) {
        const auto given = MUST(t, derive(*stage.child, abi::kAllRights));
        stage.serve(*given);
        REQUIRE(t, !t.failed());
        const std::uint64_t heard = worker.station->waits_done;
        worker.ring_bell();
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
        placing.sequence = worker.word().sequence();
        REQUIRE(t, placing.race.meet_aimer(round, aim));
        REQUIRE_OK(t, stage.child->revoke());
        const Error his = placing.result_of(t, round);
        REQUIRE(t, his == Error::kOk || his == Error::kStaleSlot || his == Error::kNotAttached ||
                       his == Error::kStaleSequence || his == Error::kRunningElsewhere ||
                       his == Error::kNotRunnable);
        REQUIRE(t, eventually(t.env.clock, [&] { return worker.station->waits_done == heard + 1; }));
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        (void)placing.race.settle(his != Error::kOk);
        if (!placing.race.steer(round, aim) || enough(placing.race, round)) {
            break;
        }
    }
    t.env.log.print("race: placed={} refused={}", placing.race.actor_wins(), placing.race.aimer_wins());
    REQUIRE(t, placing.race.exercised());
}

// The server's agent ends as a thread wakes: the event comes first, or the kernel places the thread; it runs either way.
void death_and_wake(Case& t) {
    Stage stage(t, t.cpus() > 2 ? 1 : 0);
    stage.crew.emplace(t, *stage.child);
    const Worker& worker = stage.crew->add({.order = Order::kWait, .first_cpu = stage.cpu});
    Ringing ringing(stage);
    ringing.worker = &worker;
    const auto helper = ringing.start(t);
    REQUIRE_OK(t, helper);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    for (std::uint64_t round = 1;; ++round) {
        stage.serve(*stage.child);
        REQUIRE(t, !t.failed());
        stage.server->forget();
        const std::uint64_t heard = worker.station->waits_done;
        REQUIRE(t, ringing.race.meet_aimer(round, aim));
        REQUIRE_OK(t, stage.server->agent(stage.cpu).thread.kill(0));
        REQUIRE_EQUAL(t, ringing.result_of(t, round), Error::kOk);
        REQUIRE(t, eventually(t.env.clock, [&] { return worker.station->waits_done == heard + 1; }));
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
        (void)ringing.race.settle(!stage.server->heard(worker));
        if (!ringing.race.steer(round, aim) || enough(ringing.race, round)) {
            break;
        }
    }
    t.env.log.print("race: told={} placed={}", ringing.race.actor_wins(), ringing.race.aimer_wins());
    REQUIRE(t, ringing.race.exercised());
}

constexpr Entry kCases[] = {
    {"reclaim_and_commit_there", reclaim_and_commit_there},
    {"reclaim_and_commit_from_elsewhere", reclaim_and_commit_from_elsewhere},
    {"reclaim_and_wake", reclaim_and_wake},
    {"reclaim_and_block", reclaim_and_block},
    {"reclaim_and_exit", reclaim_and_exit},
    {"revoke_and_commit", revoke_and_commit},
    {"death_and_wake", death_and_wake},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_domains", kCases); }
