// SPDX-License-Identifier: MIT
#include "support/domain_server.hpp"

#include "support/patience.hpp"

namespace test {

namespace {

std::uint64_t never_runs(cap::Ring&, void*) { return 1; }

}  // namespace

DomainServer::DomainServer(Case& t, std::uint64_t silent_agents, cap::SchedDomain domain) : t_(t) {
    domain_ = domain ? domain : t.env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain());
    const auto attached = [&]() -> cap::Result<void> {
        table_ = TRY(t.env.space.reserve(abi::kStatusTablePages));
        hints_ = TRY(t.env.space.reserve(abi::kHintPages));
        number_ = TRY(domain_.attach(table_, hints_));
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            if (silent_agents >> cpu & 1) {
                TRY(add_agent(cpu, never_runs, nullptr));
            }
        }
        return {};
    }();
    if (!attached) {
        t.fail("the test cannot become the domain's server: {}", attached.error());
    }
}

DomainServer::~DomainServer() {
    (void)domain_.detach();
    for (AgentSeat& agent : agents_) {
        if (!agent.thread) {
            continue;
        }
        (void)agent.thread.kill(0);
        const auto gone = [&] {
            const auto status = agent.thread.status();
            return !status || status->word.state() == abi::ThreadState::kGone;
        };
        if (!eventually(t_.env.clock, gone)) {
            t_.fail("an agent does not end");
        }
        agent.thread.drop();
        (void)t_.env.process.unmap(agent.ring_address, abi::kEventRingPages);
    }
    (void)t_.env.process.unmap(table_, abi::kStatusTablePages);
    (void)t_.env.process.unmap(hints_, abi::kHintPages);
}

cap::Result<void> DomainServer::add_agent(std::uint32_t cpu, cap::ThreadFunction function, void* argument) {
    AgentSeat& agent = agents_[cpu];
    agent.ring_address = TRY(t_.env.space.reserve(abi::kEventRingPages));
    agent.thread =
        TRY(cap::create_sibling(t_.env, function, argument,
                                {.affinity = std::uint64_t{1} << cpu, .first_cpu = cpu, .stack_pages = 4}));
    TRY(domain_.add_agent(agent.thread, cpu, agent.ring_address));
    agent.events.emplace(agent.head(), EventEntries{agent.ring_address});
    return {};
}

Line DomainServer::line(std::uint32_t index) const {
    const auto& line = reinterpret_cast<const abi::StatusLine*>(table_)[index];
    for (;;) {
        const std::uint64_t word = line.word.load();
        const Line copy{
            .word = {word},
            .ref = abi::ThreadRef::from_raw(line.ref.load()),
            .runtime_ns = line.runtime_ns.load(),
            .wakes = line.wakes.load(),
            .affinity = line.affinity.load(),
            .label = line.label.load(),
            .domain = line.domain.load(),
        };
        if (line.word.load() == word) {
            return copy;
        }
    }
}

std::uint64_t DomainServer::cpus_of(std::uint64_t mask) const {
    std::uint64_t cpus = 0;
    for (std::uint32_t cpu = 0; cpu < t_.cpus(); ++cpu) {
        cpus |= std::uint64_t{cpu_line(cpu).domain == number_} << cpu;
    }
    return cpus & mask;
}

std::uint64_t DomainServer::listen() {
    std::uint64_t taken = 0;
    for (AgentSeat& agent : agents_) {
        while (agent.events) {
            const auto index = agent.events->take();
            if (!index) {
                break;
            }
            heard_.set(*index % abi::kStatusLines);
            ++taken;
        }
    }
    return taken;
}

bool DomainServer::heard(std::uint32_t index) {
    listen();
    const bool was = heard_.test(index);
    heard_.reset(index);
    return was;
}

}  // namespace test
