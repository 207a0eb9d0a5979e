// SPDX-License-Identifier: MIT
//
// CPUs that are taken from the domain and returned: what becomes of the threads there, of commits and hints, what the server
// hears; without a server; and again and again under load. docs/scheduling.md, "Taking a CPU".
#include "support/agents.hpp"
#include "support/domains.hpp"
#include "support/doors.hpp"
#include "support/intruder.hpp"
#include "support/load.hpp"
#include "support/observe.hpp"
#include "support/option.hpp"
#include "support/wake_ledger.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

bool take(Case& t, std::uint32_t cpu) {
    return root_domain(t).take_cpu(cpu).has_value() &&
           eventually(t.env.clock, [&] { return !has(root_domain(t), cpu); });
}
bool give(Case& t, std::uint32_t cpu) {
    return root_domain(t).return_cpu(cpu).has_value() &&
           eventually(t.env.clock, [&] { return has(root_domain(t), cpu); });
}

// Whatever becomes of a case, the next one finds all CPUs in the domain.
struct AllReturned {
    explicit AllReturned(Case& its_case) : t(its_case) {}
    AllReturned(const AllReturned&) = delete;
    AllReturned& operator=(const AllReturned&) = delete;
    ~AllReturned() {
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            (void)root_domain(t).return_cpu(cpu);
            if (!eventually(t.env.clock, [&] { return has(root_domain(t), cpu); })) {
                t.fail("cpu {} does not come back", cpu);
            }
        }
    }
    Case& t;
};

void errors(Case& t) {
    const AllReturned all(t);
    const abi::CapSlot domain = root_domain(t).slot();
    for (const abi::Op op : {abi::Op::kTakeCpu, abi::Op::kReturnCpu}) {
        for (const std::uint64_t cpu : {std::uint64_t{t.cpus()}, std::uint64_t{63}, std::uint64_t{64},
                                        std::uint64_t{255}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
            if (cpu >= t.cpus()) {
                REQUIRE_EQUAL(t, by_call({op, domain, {cpu}}), Error::kCpuNotYours);
                REQUIRE_EQUAL(t, by_ring(t.env, {op, domain, {cpu}}), Error::kCpuNotYours);
            }
        }
    }
    REQUIRE_ERROR(t, root_domain(t).return_cpu(0), Error::kWrongState);
    for (std::uint32_t cpu = last_cpu(t); cpu > 0; --cpu) {
        REQUIRE(t, take(t, cpu));
        REQUIRE_ERROR(t, root_domain(t).take_cpu(cpu), Error::kWrongState);
    }
    REQUIRE_ERROR(t, root_domain(t).take_cpu(0), Error::kBadArgument);
    REQUIRE_EQUAL(t, MUST(t, root_domain(t).cpus()), 1u);
    REQUIRE_EQUAL(t, by_call({abi::Op::kGetCpus, domain}), Error::kOk);
    for (std::uint32_t cpu = last_cpu(t); cpu > 0; --cpu) {
        REQUIRE(t, give(t, cpu));
        REQUIRE_ERROR(t, root_domain(t).return_cpu(cpu), Error::kWrongState);
    }
}

// One that runs there, one that is queued, one that waits with a hint: they come back to the server. So does the CPU.
void threads_come_back(Case& t) {
    if (t.cpus() == 1) {
        return;  // its last CPU is not taken from a domain
    }
    DomainServer server(t);
    const AllReturned all(t);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    const Worker& running = crew.add();
    const Worker& queued = crew.add();
    const Worker& waiting = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, server.start(waiting, cpu));
    REQUIRE(t, comes_to(t, waiting, ThreadState::kWaiting));
    server.hint(waiting, abi::kHintWake, cpu);
    REQUIRE_OK(t, server.start(running, cpu));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE_OK(t, server.start(queued, cpu));
    server.forget();
    const std::uint32_t sequence = server.cpu_line(cpu).word.sequence();
    REQUIRE(t, take(t, cpu));
    for (const Worker* worker : {&running, &queued}) {
        REQUIRE(t, becomes(t, server, *worker, ThreadState::kUnplaced));
        REQUIRE_EQUAL(t, worker->word().cause(), Cause::kCpuLost);
        REQUIRE_EQUAL(t, worker->word().cpu(), cpu);
    }
    REQUIRE(t, eventually(t.env.clock, [&] { return server.heard_cpu(cpu); }));
    REQUIRE_EQUAL(t, server.cpu_line(cpu).domain, 0u);
    REQUIRE_EQUAL(t, server.cpu_line(cpu).word.state(), ThreadState::kWaiting);
    REQUIRE(t, server.cpu_line(cpu).word.sequence() != sequence);

    // Commits and hints for it do not count.
    server.forget();
    const Line before = server.line(running);
    REQUIRE_ERROR(t, server.place(running, cpu), Error::kCpuNotYours);
    REQUIRE(t, server.line(running) == before);
    REQUIRE(t, server.heard(running));
    waiting.ring_bell();
    REQUIRE(t, becomes(t, server, waiting, ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, waiting.word().cause(), Cause::kWoken);
    REQUIRE_OK(t, server.place(waiting, 0));
    REQUIRE(t, comes_to(t, waiting, ThreadState::kWaiting));
    // Elsewhere they run on.
    REQUIRE_OK(t, server.place(queued, 0));
    REQUIRE(t, makes_progress(t, queued));

    server.forget();
    REQUIRE(t, give(t, cpu));
    REQUIRE(t, eventually(t.env.clock, [&] { return server.heard_cpu(cpu); }));
    REQUIRE_EQUAL(t, server.cpu_line(cpu).domain, 1u);
    const std::uint64_t done = waiting.station->waits_done;
    waiting.ring_bell();
    REQUIRE(t, eventually(t.env.clock, [&] { return waiting.station->waits_done == done + 1; }));
    REQUIRE_EQUAL(t, waiting.word().cpu(), cpu);
    REQUIRE_OK(t, server.place(running, cpu));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE_EQUAL(t, running.word().cpu(), cpu);
}

// More in the queue than are given back in one go, and threads of no domain between them, which stay.
void long_queue(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    DomainServer server(t);
    const AllReturned all(t);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    std::atomic<std::uint64_t> turns{0};
    const auto yields = [](cap::Ring&, void* argument) -> std::uint64_t {
        for (auto& count = *static_cast<std::atomic<std::uint64_t>*>(argument);;) {
            ++count;
        }
    };
    const auto other =
        MUST(t, Sibling::start(t.env, yields, &turns, {.affinity = only(cpu), .first_cpu = cpu}));
    for (int i = 0; i < 100; ++i) {
        REQUIRE_OK(t, server.start(crew.add(), cpu));
        REQUIRE(t, !t.failed());
    }
    server.forget();
    REQUIRE(t, take(t, cpu));
    for (const Worker& worker : crew.workers()) {
        REQUIRE_EQUAL(t, worker.state(), ThreadState::kUnplaced);
        REQUIRE(t, server.heard(worker));
    }
    const std::uint64_t before = turns;
    REQUIRE(t, eventually(t.env.clock, [&] { return turns != before; }));
    REQUIRE_EQUAL(t, other.word().cpu(), cpu);
}

// The agent of a CPU that is taken goes on: it hears of what comes back, and of the CPU's return.
void agent_stays(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    const AllReturned all(t);
    Agents agents(t, Manner::kPlain);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    const Worker& free = crew.add({.first_cpu = cpu});
    const Worker& bound = crew.add({.affinity = only(cpu), .first_cpu = cpu});
    REQUIRE_OK(t, free.thread.start());
    REQUIRE(t, makes_progress(t, free));
    REQUIRE(t, take(t, cpu) && makes_progress(t, free));
    REQUIRE(t, eventually(t.env.clock, [&] { return free.word().cpu() != cpu; }));
    REQUIRE(t, give(t, cpu));  // without slices two would not share it
    REQUIRE_OK(t, bound.thread.start());
    REQUIRE(t, makes_progress(t, free) && makes_progress(t, bound));
    for (int round = 0; round < 20; ++round) {
        REQUIRE(t, take(t, cpu));
        REQUIRE(t, makes_progress(t, free));
        REQUIRE(t, free.word().cpu() != cpu);
        REQUIRE(t, comes_to(t, bound, ThreadState::kUnplaced));
        REQUIRE(t, give(t, cpu));
        REQUIRE(t, makes_progress(t, bound));
    }
}

// Without a server the kernel places on what is left; a thread that may use nothing of that waits, and starves no one's watchdog.
void without_a_server(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    const AllReturned all(t);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    const Worker& free = crew.add({.first_cpu = cpu});
    const Worker& bound = crew.add({.affinity = only(cpu), .first_cpu = cpu});
    const Worker& moved = crew.add({.affinity = only(cpu), .first_cpu = cpu});
    for (const Worker* worker : {&free, &bound, &moved}) {
        REQUIRE_OK(t, worker->thread.start());
        REQUIRE(t, makes_progress(t, *worker));
    }
    for (int round = 0; round < 20; ++round) {
        REQUIRE(t, take(t, cpu));
        REQUIRE(t, makes_progress(t, free));
        REQUIRE(t, free.word().cpu() != cpu);
        REQUIRE_EQUAL(t, bound.state(), ThreadState::kUnplaced);
        REQUIRE_EQUAL(t, moved.state(), ThreadState::kUnplaced);
        REQUIRE_OK(t, moved.thread.set_affinity(only(0)));
        REQUIRE(t, makes_progress(t, moved));
        REQUIRE_OK(t, moved.thread.set_affinity(only(cpu)));
        REQUIRE(t, comes_to(t, moved, ThreadState::kUnplaced));
        const Worker& late = crew.add({.affinity = only(cpu) | 1, .first_cpu = cpu});
        REQUIRE_OK(t, late.thread.start());
        REQUIRE(t, makes_progress(t, late));
        REQUIRE_OK(t, late.thread.kill(0));
        REQUIRE(t, give(t, cpu));
        REQUIRE(t, makes_progress(t, bound) && makes_progress(t, moved));
    }
    // A server that comes meanwhile finds who waits, and has him when the CPU is there.
    REQUIRE(t, take(t, cpu));
    {
        DomainServer server(t);
        REQUIRE_EQUAL(t, server.cpu_line(cpu).domain, 0u);
        REQUIRE_ERROR(t, server.place(bound, cpu), Error::kCpuNotYours);
        REQUIRE_ERROR(t, server.place(bound, 0), Error::kAffinity);
        REQUIRE(t, give(t, cpu));
        REQUIRE_OK(t, server.place(bound, cpu));
        REQUIRE(t, makes_progress(t, bound));
        REQUIRE(t, take(t, cpu));
        REQUIRE(t, becomes(t, server, bound, ThreadState::kUnplaced));
    }
    // And when it goes.
    REQUIRE_EQUAL(t, bound.state(), ThreadState::kUnplaced);
    REQUIRE(t, give(t, cpu));
    REQUIRE(t, makes_progress(t, bound));
}

// Thousands of times, at random; sometimes it is waited for, and mostly not. `manner`: with agents.
void storm(Case& t, Manner manner, std::uint64_t rounds) {
    if (t.cpus() == 1) {
        return;
    }
    static std::optional<WakeLedgerCheck> check;
    check.emplace(root_domain(t), t.env.clock);
    {
        const AllReturned all(t);
        const auto looker = MUST(t, Sibling::start(t.env, WakeLedgerCheck::look_always, &*check));
        Agents agents(t, manner);
        Load load(t, 1, 2);
        REQUIRE(t, !t.failed());
        const cap::SchedDomain domain = root_domain(t);
        Random random(t.seed);
        const bool any_amount = any_amount_is_enough(t, "intruder");
        std::uint64_t taken = 0, returned = 0, last = 0, seen_gone = 0;
        for (std::uint64_t round = 0; !any_amount || taken < rounds; ++round) {
            const auto cpu = static_cast<std::uint32_t>(random.below(t.cpus()));
            if (const auto done = domain.take_cpu(cpu)) {
                ++taken;
                if (random.one_in(8)) {
                    REQUIRE(t, eventually(t.env.clock, [&] { return !has(root_domain(t), cpu); }));
                    ++seen_gone;
                    REQUIRE(t, !intruder(t, agents.server(), load));
                }
            } else if (done.error() == Error::kWrongState) {
                REQUIRE_OK(t, domain.return_cpu(cpu));
                ++returned;
            } else {
                REQUIRE_EQUAL(t, done.error(), Error::kBadArgument);
                ++last;
            }
            REQUIRE(t, random.one_in(2) || !intruder(t, agents.server(), load));
            delay_ticks(random.below(20'000));
            if (round % 512 == 511 && !load.all_progress()) {
                load.fail_with_who_stands_still();
            }
            check->report(t);
            REQUIRE(t, !t.failed());
        }
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            (void)domain.return_cpu(cpu);
        }
        REQUIRE(t, load.all_progress() && load.pairs_in_step());
        t.env.log.print("storm: taken={} returned={} last={} waited_for={} commits={} refused={} looks={}",
                        taken, returned, last, seen_gone, agents.accepted(), agents.refused(),
                        check->looks());
        REQUIRE_EQUAL(t, agents.accepted_twice(), 0u);
        REQUIRE(t, returned > 0 && last > 0 && seen_gone > 0);
        const auto stats = MUST(t, sum_of_stats(t));
        REQUIRE_EQUAL(t, stats.watchdog_hits, 0u);
    }
    (void)check->look_at_rest();
    check->report(t);
}

void storm_chaos(Case& t) { storm(t, Manner::kChaos, 800); }
void storm_hints(Case& t) { storm(t, Manner::kHints, 800); }

// The same without a server.
void storm_alone(Case& t) {
    if (t.cpus() == 1) {
        return;
    }
    const AllReturned all(t);
    Load load(t, 1, 2);
    REQUIRE(t, !t.failed());
    const cap::SchedDomain domain = root_domain(t);
    Random random(t.seed);
    for (std::uint64_t round = 0; round < 800; ++round) {
        const auto cpu = static_cast<std::uint32_t>(random.below(t.cpus()));
        if (!domain.take_cpu(cpu)) {
            (void)domain.return_cpu(cpu);
        }
        delay_ticks(random.below(20'000));
        if (round % 512 == 511 && !load.all_progress()) {
            load.fail_with_who_stands_still();
        }
        REQUIRE(t, !t.failed());
    }
    REQUIRE(t, load.all_progress() && load.pairs_in_step());
}

constexpr Entry kCases[] = {
    {"errors", errors},
    {"threads_come_back", threads_come_back},
    {"long_queue", long_queue},
    {"agent_stays", agent_stays},
    {"without_a_server", without_a_server},
    {"storm_chaos", storm_chaos},
    {"storm_hints", storm_hints},
    {"storm_alone", storm_alone},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "take_cpu", kCases); }
