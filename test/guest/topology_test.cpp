// SPDX-License-Identifier: MIT
//
// The CPUs' places in their status lines, and what cap::Topology makes of them. The machine is told by `topology=`:
// sockets,cores,threads as QEMU was given them; `none`: it was told to show no topology.
#include "cap/topology.hpp"
#include "support/observe.hpp"

namespace {

using namespace test;

// Of the machine: how many CPUs share a core, a cache, a node. QEMU numbers CPUs thread by thread, its last-level cache is the socket's.
struct Expected {
    std::uint32_t per_core = 1, per_cache = abi::kMaxCpus, per_node = abi::kMaxCpus;
};

// Nothing, if `topology=` is not there or is nonsense.
std::optional<Expected> expected_of(const Case& t) {
    const auto text = cox::core::CommandLine(t.env.arguments()).find("topology");
    if (!text) {
        return std::nullopt;
    }
    if (*text == "none") {
        return Expected{};
    }
    std::array<std::uint64_t, 3> numbers{};
    std::string_view rest = *text;
    for (std::uint64_t& number : numbers) {
        const auto end = std::min(rest.find(','), rest.size());
        number = cox::core::parse_u64(rest.substr(0, end)).value_or(0);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const auto [sockets, cores, threads] = numbers;
    if (sockets * cores * threads != t.cpus()) {
        return std::nullopt;
    }
    const auto per_node = static_cast<std::uint32_t>(cores * threads);
    return Expected{static_cast<std::uint32_t>(threads), per_node, per_node};
}

const abi::StatusLine* table_of(const DomainServer& server) {
    return reinterpret_cast<const abi::StatusLine*>(server.table_address());
}

void places(Case& t) {
    const auto expected = expected_of(t);
    REQUIRE(t, expected.has_value());
    DomainServer server(t);
    REQUIRE(t, !t.failed());
    const cap::Topology topology(table_of(server), t.cpus());
    REQUIRE_EQUAL(t, topology.cpus(), t.cpus());
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const cap::Topology::Place place = topology.of(cpu);
        t.env.log.print("place: cpu={} core={} cache={} node={}", cpu, place.core, place.cache, place.node);
        REQUIRE_EQUAL(t, place.core, cpu / expected->per_core);
        REQUIRE_EQUAL(t, place.cache, cpu / expected->per_cache);
        REQUIRE_EQUAL(t, place.node, cpu / expected->per_node);
        REQUIRE_EQUAL(t, server.cpu_line(cpu).label >> 48, 0u);
        for (std::uint32_t other = 0; other < t.cpus(); ++other) {
            REQUIRE_EQUAL(t, topology.core_mask(cpu) >> other & 1,
                          std::uint64_t{place.core == topology.of(other).core});
            REQUIRE_EQUAL(t, topology.cache_mask(cpu) >> other & 1,
                          std::uint64_t{place.cache == topology.of(other).cache});
            REQUIRE_EQUAL(t, topology.node_mask(cpu) >> other & 1,
                          std::uint64_t{place.node == topology.of(other).node});
        }
    }
}

// A new server finds them again, and after CPUs were busy and idle.
void places_stay(Case& t) {
    std::array<std::uint64_t, abi::kMaxCpus> before{};
    for (int round = 0; round < 2; ++round) {
        DomainServer server(t);
        Crew crew(t);
        REQUIRE(t, !t.failed());
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            const std::uint64_t label = server.cpu_line(cpu).label;
            REQUIRE(t, round == 0 || label == before[cpu]);
            before[cpu] = label;
            const Worker& worker = crew.add({.order = Order::kExit});
            REQUIRE_OK(t, server.start(worker, cpu));
            REQUIRE(t, eventually(t.env.clock, [&] { return worker.state() == abi::ThreadState::kGone; }));
            REQUIRE_EQUAL(t, server.cpu_line(cpu).label, label);
        }
    }
}

constexpr Entry kCases[] = {
    {"places", places},
    {"places_stay", places_stay},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "topology", kCases); }
