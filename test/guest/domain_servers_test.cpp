// SPDX-License-Identifier: MIT
//
// Several scheduling domains under load: two servers with different policies, of which one dies; CPUs that go to and fro between two servers.
// docs/domains.md.
#include "support/agents.hpp"
#include "support/domains.hpp"
#include "support/intruder.hpp"
#include "support/load.hpp"
#include "support/observe.hpp"
#include "support/option.hpp"
#include "support/race.hpp"
#include "support/server_process.hpp"
#include "support/wake_ledger.hpp"

namespace {

using namespace test;
using abi::ThreadState;

// Two real servers with different policies on disjoint sets of CPUs: no thread is seen on a CPU of the other set. One server dies: the other's
// threads do not notice, its own run on, where they were.
void two_servers(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    struct Side {
        Owned<cap::SchedDomain> domain;
        std::optional<Loans> loans;
        std::optional<Load> load;
        std::optional<ServerProcess> server;
    };
    const std::uint64_t all = (std::uint64_t{2} << last_cpu(t)) - 1;
    const std::uint64_t low = (std::uint64_t{1} << t.cpus() / 2) - 1;
    std::array<Side, 2> sides;
    const std::uint64_t sets[] = {low, all & ~low};
    constexpr std::string_view kPolicies[] = {"policy=round_robin", "policy=fair"};
    for (std::size_t i = 0; i < 2; ++i) {
        Side& side = sides[i];
        side.domain = MUST(t, make_child(root_domain(t)));
        side.loans.emplace(t, root_domain(t), sets[i], *side.domain);
        REQUIRE(t, !t.failed());
        side.server.emplace(t, kPolicies[i], std::span<const cap::GivenCap>{}, *side.domain);
        REQUIRE(t, !t.failed() && side.server->is_ready());
        side.load.emplace(t, 1, 1, *side.domain);
        REQUIRE(t, !t.failed());
    }
    REQUIRE_EQUAL(t, MUST(t, root_domain(t).cpus()), 0u);
    const auto look = [&](int rounds) {
        for (int round = 0; round < rounds; ++round) {
            for (std::size_t i = 0; i < 2; ++i) {
                for (const Worker& worker : sides[i].load->crew().workers()) {
                    const abi::ThreadWord word = worker.word();
                    if (is_placed(word) && !(sets[i] >> word.cpu() & 1)) {
                        t.fail("thread {} is on cpu {} of the other set", worker.ref.index, word.cpu());
                    }
                }
            }
        }
        return sides[0].load->all_progress() && sides[1].load->all_progress() &&
               sides[0].load->pairs_in_step() && sides[1].load->pairs_in_step();
    };
    REQUIRE(t, look(50));
    const auto before = MUST(t, sum_of_stats(t));
    REQUIRE(t, look(50));
    REQUIRE_EQUAL(t, MUST(t, sum_of_stats(t)).fallback_dispatches, before.fallback_dispatches);
    sides[1].server.reset();
    REQUIRE(t, look(50));
    REQUIRE(t, MUST(t, sum_of_stats(t)).fallback_dispatches > before.fallback_dispatches);
    sides[1].server.emplace(t, "policy=work_stealing", std::span<const cap::GivenCap>{}, *sides[1].domain);
    REQUIRE(t, sides[1].server->is_ready() && look(50));
}

// CPUs go to and fro at random, mostly without being waited for, between two servers that place at random, each with a load.
void storm(Case& t, Manner manner, std::uint64_t rounds) {
    if (t.cpus() == 1) {
        return;
    }
    const cap::SchedDomain root = root_domain(t);
    const auto child = MUST(t, make_child(root));
    const bool any_amount = any_amount_is_enough(t, "intruder");
    static std::optional<WakeLedgerCheck> check;
    check.emplace(root, t.env.clock);
    {
        const Loans none(t, root, 0, *child);  // its end: all CPUs are the root's
        const auto looker = MUST(t, Sibling::start(t.env, WakeLedgerCheck::look_always, &*check));
        Agents lender(t, manner);
        Agents borrower(t, manner, kAllCpus, *child);
        Load lenders(t, 1, 1);
        Load borrowers(t, 1, 1, *child);
        REQUIRE(t, !t.failed());
        Random random(t.seed);
        std::uint64_t lent = 0, reclaimed = 0;
        const auto even = [&] {  // each has a CPU
            (void)root.lend_cpu(last_cpu(t), *child);
            (void)root.reclaim_cpu(0);
            return lenders.all_progress() && borrowers.all_progress();
        };
        for (std::uint64_t round = 0; !any_amount || reclaimed < rounds; ++round) {
            const auto cpu = static_cast<std::uint32_t>(random.below(t.cpus()));
            const bool lends = root.lend_cpu(cpu, *child).has_value();
            REQUIRE(t, lends || root.reclaim_cpu(cpu));
            ++(lends ? lent : reclaimed);
            if (random.one_in(8)) {  // waited for: nobody of the other domain is there any more
                const cap::SchedDomain owner = lends ? *child : root;
                REQUIRE(t, eventually(t.env.clock, [&] { return has(owner, cpu); }));
                REQUIRE(t, !(lends ? intruder(t, lender.server(), lenders)
                                   : intruder(t, borrower.server(), borrowers)));
            }
            REQUIRE(t, random.one_in(2) || !(intruder(t, lender.server(), lenders) ||
                                             intruder(t, borrower.server(), borrowers)));
            delay_ticks(random.below(20'000));
            if (round % 256 == 255 && !even()) {
                lenders.fail_with_who_stands_still();
                borrowers.fail_with_who_stands_still();
            }
            check->report(t);
            REQUIRE(t, !t.failed());
        }
        REQUIRE(t, even() && lenders.pairs_in_step() && borrowers.pairs_in_step());
        t.env.log.print("storm: lent={} reclaimed={} commits={}+{} refused={}+{} looks={}", lent, reclaimed,
                        lender.accepted(), borrower.accepted(), lender.refused(), borrower.refused(),
                        check->looks());
        REQUIRE_EQUAL(t, lender.accepted_twice() + borrower.accepted_twice(), 0u);
        REQUIRE_EQUAL(t, MUST(t, sum_of_stats(t)).watchdog_hits, 0u);
    }
    (void)check->look_at_rest();
    check->report(t);
}

void storm_chaos(Case& t) { storm(t, Manner::kChaos, option(t, "rounds", 100)); }
void storm_hints(Case& t) { storm(t, Manner::kHints, option(t, "rounds", 100)); }

// Kills one server after the other, when another thread reclaims its CPU.
struct Killer {
    Race race;
    std::atomic<ServerProcess*> target{nullptr};  // null again when it has been killed
    std::atomic<bool> reclaimed{false};

    static std::uint64_t run(cap::Ring&, void* argument) {
        auto& killer = *static_cast<Killer*>(argument);
        for (std::uint64_t round = 1;;) {
            if (const ServerProcess* const server = killer.target.load()) {
                killer.race.meet(round++);
                server->kill();
                const bool late = killer.reclaimed;
                killer.target = nullptr;
                (void)killer.race.settle(late);
            }
            (void)cap::cap_enter(1, 100 * kMicrosecond);
        }
    }
};

// A server's process is killed just when a CPU that its domain was lent is reclaimed. Whichever comes first: the lender's threads do not
// notice, none of the child's runs where it may not, and all of them go on under the next server, with no wake lost.
void killed_and_reclaimed(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    const cap::SchedDomain root = root_domain(t);
    const auto child = MUST(t, make_child(root));
    WakeLedgerCheck lenders_check(root, t.env.clock), borrowers_check(*child, t.env.clock);
    {
        const Loans none(t, root, 0, *child);  // its end: all CPUs are the root's
        static Killer killer;
        const auto sibling =
            MUST(t, Sibling::start(t.env, Killer::run, &killer,
                                   {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)}));
        ServerProcess lender(t, "policy=round_robin");
        REQUIRE(t, !t.failed() && lender.is_ready());
        Load lenders(t, 1, 1);
        std::optional<Load> borrowers;
        Random random(t.seed);
        Aim aim(random);
        const std::uint64_t kills = option(t, "kills", 4);
        const bool many = kills >= 40;  // enough to see both come first
        for (std::uint64_t round = 1; round <= kills || (many && !killer.race.exercised() && round < 90);
             ++round) {
            const Loans lent(t, root, std::uint64_t{1} << last_cpu(t), *child);
            ServerProcess server(t, "policy=fair", {}, *child);
            REQUIRE(t, !t.failed() && server.is_ready());
            if (!borrowers) {
                borrowers.emplace(t, 1, 1, *child);
            }
            REQUIRE(t, !t.failed() && borrowers->all_progress());
            killer.reclaimed = false;
            killer.target = &server;
            REQUIRE(t, killer.race.meet_aimer(round, aim));
            const auto reclaimed = root.reclaim_cpu(last_cpu(t));
            killer.reclaimed = true;
            REQUIRE(t, killer.race.steer(round, aim));
            REQUIRE_OK(t, reclaimed);
            REQUIRE_EQUAL(t, MUST(t, server.wait_exit()), ServerProcess::kKilled);
            REQUIRE(t, eventually(t.env.clock, [&] { return has(root, last_cpu(t)); }));
            REQUIRE(t, lenders.all_progress() && lenders.pairs_in_step());
            lenders_check.report(t);
            REQUIRE(t, !t.failed());
        }
        t.env.log.print("race: killed_first={} reclaimed_first={}", killer.race.actor_wins(),
                        killer.race.aimer_wins());
        REQUIRE(t, !many || killer.race.exercised());
        const Loans lent(t, root, std::uint64_t{1} << last_cpu(t), *child);
        ServerProcess server(t, "policy=round_robin", {}, *child);
        REQUIRE(t, !t.failed() && server.is_ready());
        REQUIRE(t, borrowers->all_progress() && borrowers->pairs_in_step());
    }
    (void)lenders_check.look_at_rest();
    lenders_check.report(t);
    (void)borrowers_check.look_at_rest();
    borrowers_check.report(t);
}

constexpr Entry kCases[] = {
    {"two_servers", two_servers},
    {"killed_and_reclaimed", killed_and_reclaimed},
    {"storm_chaos", storm_chaos},
    {"storm_hints", storm_hints},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "domain_servers", kCases); }
