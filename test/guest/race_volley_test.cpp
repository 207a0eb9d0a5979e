// SPDX-License-Identifier: MIT
//
// All CPUs shoot at all others at once, and kick each other: nobody waits for ever, and the shortest turns come forward.
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <optional>

namespace {

using namespace test;
using abi::Cause;
using abi::ThreadState;

constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
constexpr std::uint64_t kThere = 0x6000'0000;  // in the crew's space

// Each CPU shoots at all others and kicks the next one, both without a pause.
struct Shooter {
    const cap::Env* env = nullptr;
    cap::Memory memory;
    cap::Thread next;
    std::uint64_t next_cpu = 0;
    std::uint64_t shots = 0;
    std::atomic<std::uint64_t>* begun = nullptr;
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> failures{0};
};

std::uint64_t shoot_and_kick(cap::Ring&, void* argument) {
    auto& s = *static_cast<Shooter*>(argument);
    const cap::Env& env = *s.env;
    const auto address = env.space.reserve(1);
    ++*s.begun;
    while (*s.begun != env.info.cpu_count) {
    }
    for (std::uint64_t i = 0; address && i < s.shots; ++i) {
        const bool good = env.process.map(s.memory, *address, 0, 1, kReadWrite) &&
                          env.process.protect(*address, 1, abi::kRead) &&
                          s.next.set_affinity(only(s.next_cpu)) && env.process.unmap(*address, 1);
        s.failures += good ? 0 : 1;
        ++s.done;
    }
    while (true) {  // the others shoot at it still
    }
}

void all_at_once(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const std::uint64_t shots = 480 / t.cpus() / t.cpus();  // each waits for all CPUs
    std::atomic<std::uint64_t> begun{0};
    std::array<Shooter, abi::kMaxCpus> shooters;
    std::array<std::optional<Sibling>, abi::kMaxCpus> threads;
    const auto before = MUST(t, sum_of_stats(t));
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        shooters[cpu].env = &t.env;
        shooters[cpu].memory = *memory;
        shooters[cpu].shots = shots;
        shooters[cpu].begun = &begun;
        threads[cpu].emplace(
            MUST(t, Sibling::create(t.env, shoot_and_kick, &shooters[cpu], {.affinity = only(cpu)})));
    }
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        shooters[cpu].next_cpu = (cpu + 1) % t.cpus();
        shooters[cpu].next = *threads[shooters[cpu].next_cpu]->operator->();
        REQUIRE_OK(t, (*threads[cpu])->start());
    }
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        (void)eventually(t.env.clock, [&] { return shooters[cpu].done == shots; });
        REQUIRE_EQUAL(t, shooters[cpu].done.load(), shots);
        REQUIRE_EQUAL(t, shooters[cpu].failures.load(), 0);
    }
    for (auto& thread : threads) {
        thread.reset();
    }
    const auto after = MUST(t, sum_of_stats(t));
    const auto rise = [&](std::uint64_t abi::CpuStats::* count) { return after.*count - before.*count; };
    const std::uint64_t shootdowns = rise(&abi::CpuStats::shootdowns);
    const std::uint64_t ipis = rise(&abi::CpuStats::shootdown_ipis);
    t.env.log.print("race: shootdowns={} ipis={} served={} kicks={}", shootdowns, ipis,
                    rise(&abi::CpuStats::shootdowns_served), rise(&abi::CpuStats::ipis_sent) - ipis);
    REQUIRE(t, shootdowns >= 2 * shots * t.cpus());
    REQUIRE_EQUAL(t, ipis + rise(&abi::CpuStats::shootdown_ipis_avoided), shootdowns * (t.cpus() - 1));
    REQUIRE(t, rise(&abi::CpuStats::ipis_sent) > ipis + t.cpus());
}

// values[]
constexpr int kOther = 0;  // slot of the other process
constexpr int kShots = 1;
constexpr int kCpus = 2;

std::uint64_t shoot_at_the_other(Station& station, cap::Ring&) {
    const cap::Process other(abi::CapSlot::from_raw(station.values[kOther].load()));
    auto& begun = *reinterpret_cast<std::atomic<std::uint64_t>*>(kThere + abi::kPageSize);
    ++begun;
    while (begun != station.values[kCpus]) {
    }
    for (std::uint64_t i = station.values[kShots]; i != 0; --i) {
        station.beats += other.protect(kThere, 1, abi::kRead) ? 1 : 0;
    }
    while (station.order != Order::kExit) {  // it is shot at still
    }
    return 0;
}

// The CPUs have one of two spaces each, and shoot at the other one: who waits must serve for its own.
void across_spaces(Case& t) {
    DomainServer server(t);
    Crew one(t);
    Crew two(t);
    const Owned memory(MUST(t, t.env.process.create_memory(2)));
    const std::uint64_t shots = 800 / t.cpus() / t.cpus();
    const auto before = MUST(t, sum_of_stats(t));
    std::array<std::pair<Crew*, Crew*>, 2> sides{{{&one, &two}, {&two, &one}}};
    std::array<std::uint64_t, 2> slots{};
    for (int side = 0; side < 2; ++side) {
        const auto [own, other] = sides[side];
        REQUIRE_OK(t, own->process().map(*memory, kThere, 0, 2, kReadWrite));
        slots[side] = MUST(t, own->process().give(other->process().slot(), abi::kManage)).raw();
    }
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const Worker& worker = sides[cpu % 2].first->add({.main = shoot_at_the_other});
        worker.station->values[kOther] = slots[cpu % 2];
        worker.station->values[kShots] = shots;
        worker.station->values[kCpus] = t.cpus();
        REQUIRE_OK(t, server.start(worker, cpu));
    }
    for (Crew* const crew : {&one, &two}) {
        for (const Worker& worker : crew->workers()) {
            (void)eventually(t.env.clock, [&] { return worker.beats() == shots; });
            REQUIRE_EQUAL(t, worker.beats(), shots);
        }
    }
    const auto after = MUST(t, sum_of_stats(t));
    const std::uint64_t shootdowns = after.shootdowns - before.shootdowns;
    const std::uint64_t ipis = after.shootdown_ipis - before.shootdown_ipis;
    t.env.log.print("race: shootdowns={} ipis={} served={}", shootdowns, ipis,
                    after.shootdowns_served - before.shootdowns_served);
    REQUIRE(t, shootdowns >= shots * t.cpus() && ipis >= shots);
    REQUIRE_EQUAL(t, ipis + after.shootdown_ipis_avoided - before.shootdown_ipis_avoided,
                  shootdowns * (t.cpus() - 1));
}

// Pairs of threads take turns of the shortest length under fire. Each comes forward.
void shortest_turns(Case& t) {
    constexpr int kTurns = 15;
    DomainServer server(t);
    Crew crew(t);
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    REQUIRE_OK(t, crew.process().map(*memory, kThere, 0, 1, kReadWrite));
    const auto before = MUST(t, sum_of_stats(t));
    for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
        for (int i = 0; i < 2; ++i) {
            REQUIRE_OK(t, server.start(crew.add(), cpu, 1));
        }
    }
    std::array<int, 2 * abi::kMaxCpus> turns{};
    const auto all_done = [&] {
        bool all = true;
        (void)crew.process().protect(kThere, 1, abi::kRead);
        for (std::size_t i = 0; i < crew.workers().size(); ++i) {
            const Worker& worker = crew.workers()[i];
            const Line line = server.line(worker);
            all &= turns[i] >= kTurns && worker.beats() > 0;
            if (line.word.state() == ThreadState::kUnplaced) {
                ++turns[i];
                if (line.word.cause() != Cause::kSliceEnd ||
                    !server.place(worker, 1 + static_cast<std::uint32_t>(i) / 2, 0, 1)) {
                    t.fail("turn {}: cause {}", turns[i], static_cast<std::uint32_t>(line.word.cause()));
                }
            }
        }
        return all || t.failed();
    };
    REQUIRE(t, eventually(t.env.clock, all_done));
    const auto after = MUST(t, sum_of_stats(t));
    REQUIRE(t, after.shootdown_ipis > before.shootdown_ipis);
}

constexpr Entry kCases[] = {
    {"all_at_once", all_at_once},
    {"across_spaces", across_spaces},
    {"shortest_turns", shortest_turns},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_volley", kCases); }
