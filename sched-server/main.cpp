// SPDX-License-Identifier: MIT
//
// The scheduler server. Capabilities: "domain" (kManage, kWrite, kRead), "log", and optionally "ready", a
// notification whose bit 0 it sets when it is at work; "control", "call", "answered" and "handover" are those of
// docs/server-control.md; with the argument record=, "record" is memory (kRead, kWrite). Arguments: options.hpp. Exit codes: 0 retired,
// 2 usage, 3 could not start, or lost the domain.
//
// Order: all that can be prepared, the threads of the agents too; attach, when a predecessor has left; add an agent per CPU, adopt the
// table, start the agents. Adoption comes before the first agent runs, so it needs no lock; what changes meanwhile stands
// in the event rings already.
#include "agent.hpp"
#include "cap/threads.hpp"
#include "cap/topology.hpp"
#include "control_loop.hpp"
#include "options.hpp"
#include "recorder.hpp"

#include <array>
#include <bit>
#include <new>
#include <span>

namespace sched {
namespace {

constexpr std::uint64_t kExitUsage = 2;
constexpr std::uint64_t kExitFailed = 3;

struct Addresses {
    std::uint64_t table = 0;
    std::uint64_t hints = 0;
};

struct AgentSeat {
    Server* server = nullptr;
    cap::Thread thread;
    std::uint64_t event_ring = 0;
    std::uint32_t cpu = 0;
};

PolicySeat policy_seat;
std::array<CpuPlace, abi::kMaxCpus> places;
alignas(Recorder) std::byte recorder_storage[sizeof(Recorder)];
alignas(Server) std::byte server_storage[sizeof(Server)];
std::array<AgentSeat, abi::kMaxCpus> agent_seats;

std::uint64_t agent_main(cap::Ring& ring, void* argument) {
    const AgentSeat& seat = *static_cast<const AgentSeat*>(argument);
    Agent(*seat.server, ring, seat.event_ring, seat.server->nudges[seat.cpu]).run();
    return kExitFailed;
}

cap::Result<void> make_agent(Server& server, std::uint32_t cpu) {
    AgentSeat& seat = agent_seats[cpu];
    seat.server = &server;
    seat.cpu = cpu;
    server.nudges[cpu] = TRY(server.env.process.create_notification());
    seat.event_ring = TRY(server.env.space.reserve(abi::kEventRingPages));
    seat.thread =
        TRY(cap::create_sibling(server.env, agent_main, &seat,
                                {.affinity = std::uint64_t{1} << cpu, .label = cpu, .first_cpu = cpu}));
    return {};
}

cap::Result<void> signal_ready(const Server& server, std::uint64_t bits) {
    const auto ready = server.env.find<cap::Notification>("ready");
    return ready ? ready->signal(bits) : cap::Result<void>();
}

// Where a predecessor may hand over, this one stands by until it does.
cap::Result<std::uint32_t> attach(const Server& server, const Addresses& addresses) {
    for (bool told = false;;) {
        const auto attached = server.domain.attach(addresses.table, addresses.hints);
        if (attached || attached.error() != abi::Error::kBusy || !server.handover) {
            return attached;
        }
        if (!told) {
            TRY(signal_ready(server, cap::kServerStandsBy));
            told = true;
        }
        TRY(server.handover.wait(server.env.ring));
    }
}

template <class Visit>
cap::Result<void> for_each_cpu(std::uint64_t mask, Visit visit) {
    for (; mask != 0; mask &= mask - 1) {
        TRY(visit(static_cast<std::uint32_t>(std::countr_zero(mask))));
    }
    return {};
}

// What is known before the attach: which CPUs are served.
Machine machine_of(std::uint64_t cpus) {
    for (std::uint32_t cpu = 0; cpu < abi::kMaxCpus; ++cpu) {
        places[cpu] = {.core = static_cast<std::uint16_t>(cpu), .served = (cpus >> cpu & 1) != 0};
    }
    return {places};
}

// What CPUs share, when the table is mapped.
void learn_topology(const Addresses& addresses) {
    const cap::Topology topology(reinterpret_cast<const abi::StatusLine*>(addresses.table), abi::kMaxCpus);
    for (std::uint32_t cpu = 0; cpu < abi::kMaxCpus; ++cpu) {
        const cap::Topology::Place place = topology.of(cpu);
        places[cpu].core = static_cast<std::uint16_t>(place.core);
        places[cpu].cache = static_cast<std::uint16_t>(place.cache);
        places[cpu].node = static_cast<std::uint16_t>(place.node);
    }
}

// From nothing to agents that run -> how many threads were adopted.
cap::Result<std::uint32_t> start(Server& server, const Addresses& addresses) {
    const std::uint64_t agents = server.agents;
    TRY(for_each_cpu(agents, [&](std::uint32_t cpu) { return make_agent(server, cpu); }));
    const std::uint32_t number = TRY(attach(server, addresses));
    learn_topology(addresses);
    TRY(for_each_cpu(agents, [&](std::uint32_t cpu) {
        return server.domain.add_agent(agent_seats[cpu].thread, cpu, agent_seats[cpu].event_ring);
    }));
    std::uint32_t adopted = 0;
    if (!server.fault.ignores_events()) {
        const SpinGuard nobody_else_yet(server.lock);
        server.dispatcher.set_domain(number);
        adopted = server.dispatcher.adopt(server.env.clock.now_ns());
    }
    TRY(for_each_cpu(agents, [](std::uint32_t cpu) { return agent_seats[cpu].thread.start(); }));
    return adopted;
}

// The policy with a recorder before it.
cap::Result<Policy*> recorded(const cap::Env& env, Policy& policy, const Machine& machine,
                              std::uint32_t count) {
    const auto memory = env.find<cap::Memory>("record");
    if (!memory) {
        env.log.print("error: record={} needs a capability \"record\" to memory", count);
        return cap::fail(abi::Error::kBadSlot);
    }
    const std::uint64_t address = TRY(env.space.reserve(count));
    if (const auto mapped = env.process.map(*memory, address, 0, count, abi::kRead | abi::kWrite); !mapped) {
        env.log.print("error: record={}: mapping the memory \"record\": {}", count, mapped.error());
        return cap::fail(mapped.error());
    }
    const std::span pages(reinterpret_cast<RecordPage*>(address), count);
    env.log.print("sched-server: record pages={} entries={}", count, count * kEntriesPerPage);
    return new (recorder_storage) Recorder(policy, machine, pages, cap::read_tsc());
}

// Maps the control page, if all that control needs was given -> what is rung with each command.
cap::Result<cap::Notification> open_desk(Server& server) {
    const cap::Env& env = server.env;
    const auto control = env.find<cap::Memory>("control");
    const auto call = env.find<cap::Notification>("call");
    const auto answered = env.find<cap::Notification>("answered");
    if (!control || !call || !answered) {
        return cap::Notification();
    }
    const std::uint64_t address = TRY(env.space.reserve(1));
    TRY(env.process.map(*control, address, 0, 1, abi::kRead | abi::kWrite));
    server.desk = Desk(*reinterpret_cast<cap::ControlPage*>(address), *answered);
    return *call;
}

// Sets up and runs; returns when the server has retired, or with a reason why it cannot go on.
cap::Result<void> serve(const cap::Env& env, const Options& options) {
    const auto domain = env.find<cap::SchedDomain>("domain");
    if (!domain) {
        env.log.print("error: the scheduler server was given no capability \"domain\"");
        return cap::fail(abi::Error::kBadSlot);
    }
    const std::uint64_t cpus = TRY(domain->cpus()) & options.cpus;
    if (cpus == 0) {
        env.log.print("error: none of the CPUs {:x} is in the domain", options.cpus);
        return cap::fail(abi::Error::kCpuNotYours);
    }
    cap::LogLine refusal;
    const Machine machine = machine_of(cpus);
    Policy* policy = policy_seat.prepare(*options.policy, options.parameters(), machine, refusal);
    if (policy == nullptr) {
        env.log.write(refusal.view());
        env.exit(kExitUsage);
    }
    policy_seat.accept();
    if (options.record_pages != 0) {
        policy = TRY(recorded(env, *policy, machine, options.record_pages));
    }

    const Addresses addresses{.table = TRY(env.space.reserve(abi::kStatusTablePages)),
                              .hints = TRY(env.space.reserve(abi::kHintPages))};
    const cap::Notification main_bell = TRY(env.process.create_notification());
    const std::uint64_t agents = options.central ? cpus & -cpus : cpus;
    auto& server = *new (server_storage) Server(
        env, *domain, main_bell, options.fault, *policy,
        Dispatcher::Table(reinterpret_cast<const abi::StatusLine*>(addresses.table), abi::kStatusLines),
        reinterpret_cast<abi::HintLine*>(addresses.hints), cpus, agents);
    {
        const SpinGuard nobody_else_yet(server.lock);
        server.dispatcher.set_places(places, options.cpus);
    }
    server.handover = env.find<cap::Notification>("handover").value_or(cap::Notification());
    const cap::Notification call = TRY(open_desk(server));
    server.desk.in_charge(policy->name());

    const std::uint32_t adopted = TRY(start(server, addresses));
    env.log.print("sched-server: policy={} agents={} adopted={}", options.policy->name, std::popcount(agents),
                  adopted);
    // What the predecessor was asked and has not answered. Whoever knows that this one is at work may ask it.
    if (server.desk.take()) {
        server.desk.answer(false, "error: the server has started anew; ask again");
    }
    TRY(signal_ready(server, cap::kServerAtWork));
    return ControlLoop(server, policy_seat, machine, call).run();
}

}  // namespace
}  // namespace sched

int cap_main(const cap::Env& env) {
    cap::LogLine error;
    const auto options = sched::parse_options(env.arguments(), error);
    if (!options) {
        env.log.write(error.view());
        env.exit(sched::kExitUsage);
    }
    const auto ended = sched::serve(env, *options);
    if (ended) {
        env.exit(0);
    }
    env.log.print("error: sched-server: {}", ended.error());
    env.exit(sched::kExitFailed);
}
