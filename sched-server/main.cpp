// SPDX-License-Identifier: MIT
//
// The scheduler server. Capabilities: "domain" (kManage, kWrite, kRead), "log", and optionally "ready", a
// notification whose bit 0 it sets when it is at work. Arguments: options.hpp. Exit codes: 2 usage, 3 could
// not start, or lost the domain.
//
// Order: attach, add an agent per CPU, adopt the table, start the agents. Adoption comes before the first
// agent runs, so it needs no lock; what changes meanwhile stands in the event rings already.
#include "agent.hpp"
#include "cap/threads.hpp"
#include "core/assert.hpp"
#include "options.hpp"

#include <array>
#include <bit>
#include <new>

namespace sched {
namespace {

constexpr std::uint64_t kExitUsage = 2;
constexpr std::uint64_t kExitFailed = 3;

struct AgentSeat {
    Server* server = nullptr;
    cap::Thread thread;
    std::uint64_t event_ring = 0;
};

PolicyStorage policy_storage;
alignas(Server) std::byte server_storage[sizeof(Server)];
std::array<AgentSeat, abi::kMaxCpus> seats;

std::uint64_t agent_main(cap::Ring& ring, void* argument) {
    const AgentSeat& seat = *static_cast<const AgentSeat*>(argument);
    Agent(*seat.server, ring, seat.event_ring).run();
    return kExitFailed;
}

cap::Result<void> add_agent(Server& server, std::uint32_t cpu) {
    AgentSeat& seat = seats[cpu];
    seat.server = &server;
    seat.event_ring = TRY(server.env.space.reserve(abi::kEventRingPages));
    seat.thread =
        TRY(cap::create_sibling(server.env, agent_main, &seat,
                                {.affinity = std::uint64_t{1} << cpu, .label = cpu, .first_cpu = cpu}));
    return server.domain.add_agent(seat.thread, cpu, seat.event_ring);
}

template <class Visit>
cap::Result<void> for_each_cpu(std::uint64_t mask, Visit visit) {
    for (; mask != 0; mask &= mask - 1) {
        TRY(visit(static_cast<std::uint32_t>(std::countr_zero(mask))));
    }
    return {};
}

// From the attach to agents that run -> how many threads were adopted.
cap::Result<std::uint32_t> start(Server& server, std::uint64_t table_address, std::uint64_t cpus) {
    TRY(server.domain.attach(table_address));
    TRY(for_each_cpu(cpus, [&](std::uint32_t cpu) { return add_agent(server, cpu); }));
    std::uint32_t adopted = 0;
    if (!server.fault.ignores_events()) {
        const SpinGuard nobody_else_yet(server.lock);
        adopted = server.dispatcher.adopt(server.env.clock.now_ns());
    }
    TRY(for_each_cpu(cpus, [](std::uint32_t cpu) { return seats[cpu].thread.start(); }));
    return adopted;
}

// Sets up and runs; returns only with a reason why it cannot go on.
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
    const std::uint64_t table_address = TRY(env.space.reserve(abi::kStatusTablePages));
    const Dispatcher::Table table(reinterpret_cast<const abi::StatusLine*>(table_address), abi::kStatusLines);
    const cap::Notification failure = TRY(env.process.create_notification());
    auto& server = *new (server_storage) Server(env, *domain, failure, options.fault,
                                                options.policy->make(policy_storage), table, cpus);

    const std::uint32_t adopted = TRY(start(server, table_address, cpus));
    env.log.print("sched-server: policy={} agents={} adopted={}", options.policy->name, std::popcount(cpus),
                  adopted);
    if (const auto ready = env.find<cap::Notification>("ready")) {
        TRY(ready->signal(1));
    }
    TRY(failure.wait(env.ring));
    return cap::fail(static_cast<abi::Error>(server.error.load(std::memory_order_relaxed)));
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
    env.log.print("error: sched-server: {}", ended.error());
    env.exit(sched::kExitFailed);
}
