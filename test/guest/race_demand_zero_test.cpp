// SPDX-License-Identifier: MIT
//
// Pages that get their frames while they are mapped, unmapped, protected, pinned and split elsewhere, and while their process is killed.
// Whoever used a page in time finds in the object what he wrote, and in the end all frames are there again.
#include "suite.hpp"
#include "support/crew.hpp"
#include "support/doors.hpp"
#include "support/free_pages.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr std::uint64_t kPages = 64;
constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;

struct Scene {
    const cap::Env& env;
    std::uint64_t seed;
    std::uint64_t address;
    std::atomic<std::uint64_t> seats{0}, stored{0}, refused{0}, wrong{0};
    std::atomic<bool> over{false};
};

// Has the kernel store there, which says whether there was a page to store to.
std::uint64_t store(cap::Ring&, void* argument) {
    auto& scene = *static_cast<Scene*>(argument);
    Random random(scene.seed + 1000 * ++scene.seats);
    while (!scene.over) {
        const std::uint64_t at = scene.address + random.below(kPages) * kPage + random.below(60) * 64;
        const auto error = by_call({abi::Op::kGetStatus, scene.env.thread.slot(), {at}});
        ++(error == Error::kOk ? scene.stored : scene.refused);
        scene.wrong += error != Error::kOk && error != Error::kBadAddress;
    }
    return 0;
}

// One object's life under all this.
void change(Case& t, const Scene& scene, Random& random) {
    const Owned memory(MUST(t, t.env.process.create_memory_on_demand(kPages)));
    const auto& process = t.env.process;
    REQUIRE_OK(t, process.map(*memory, scene.address, 0, kPages, kReadWrite));
    Owned<cap::Memory> part;
    for (int i = 0; i < 24; ++i) {
        const std::uint64_t first = random.below(kPages);
        const std::uint64_t pages = 1 + random.below(kPages - first);
        const std::uint64_t address = scene.address + first * kPage;
        switch (random.below(8)) {
            case 0: REQUIRE_OK(t, memory->pin(first, 1)); break;
            case 1: part = Owned(MUST(t, memory->split(first, 1))); break;
            case 2:
            case 3: (void)process.protect(address, pages, random.one_in(2) ? abi::kRead : kReadWrite); break;
            case 4:
            case 5: (void)process.map(*memory, address, first, pages, kReadWrite); break;
            default: REQUIRE_OK(t, process.unmap(address, pages));
        }
    }
    REQUIRE_OK(t, process.unmap(scene.address, kPages));
    const std::uint64_t resident = MUST(t, memory->resident_pages());
    REQUIRE(t, resident <= kPages);
}

void changed_under_use(Case& t) {
    Scene scene{.env = t.env, .seed = t.seed, .address = MUST(t, t.env.space.reserve(kPages))};
    Random random(t.seed);
    std::array<std::optional<Sibling>, 8> threads;
    for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
        threads[cpu].emplace(MUST(t, Sibling::start(t.env, store, &scene, {.affinity = only(cpu)})));
    }
    change(t, scene, random);  // page tables are made
    for (int round = 0;
         !t.failed() && (round < 5 || (round < 2000 && (scene.stored < 200 || scene.refused < 200)));
         ++round) {
        change(t, scene, random);
    }
    scene.over = true;
    for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
        REQUIRE(t, threads[cpu]->wait());
    }
    t.env.log.print("race: stored={} refused={}", scene.stored.load(), scene.refused.load());
    REQUIRE_EQUAL(t, scene.wrong.load(), 0u);
    REQUIRE(t, scene.stored >= 200 && scene.refused >= 200);
}

// Touches page after page of its process's own, until it is killed.
std::uint64_t touch(Station& station, cap::Ring&) {
    const std::uint64_t address = station.values[0];
    for (std::uint64_t page = 0;; page = (page + 1) % station.values[1]) {
        auto& word = *reinterpret_cast<std::atomic<std::uint64_t>*>(address + page * kPage);
        word.fetch_add(1, std::memory_order_relaxed);
        station.beats.fetch_add(1, std::memory_order_relaxed);
    }
}

void kill_while_touching(Case& t, Random& random) {
    constexpr std::uint64_t kMany = 1024;
    constexpr std::uint64_t kPlace = 0x60'0000'0000;
    const Owned memory(MUST(t, t.env.process.create_memory_on_demand(kMany)));
    Crew crew(t);
    REQUIRE_OK(t, crew.process().map(*memory, kPlace, 0, kMany, kReadWrite));
    std::array<const Worker*, 8> workers{};
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        workers[cpu] = &crew.add({.main = touch, .affinity = only(cpu), .first_cpu = cpu});
        workers[cpu]->station->values[0] = kPlace;
        workers[cpu]->station->values[1] = kMany;
        REQUIRE_OK(t, workers[cpu]->thread.start());
    }
    REQUIRE(t, eventually(t.env.clock, [&] { return workers[t.cpus() - 1]->beats() > random.below(kMany); }));
    REQUIRE_OK(t, crew.process().kill(1));
    REQUIRE_EQUAL(t, MUST(t, crew.process().wait_exit(t.env.ring, patience_ns)), 1u);
}

void killed_under_use(Case& t) {
    Random random(t.seed);
    std::uint64_t before = 0;
    for (int round = 0; round < 5 && !t.failed(); ++round) {
        kill_while_touching(t, random);
        if (round == 1) {
            before = free_pages(t.env);  // what the kernel keeps for next time, it has by now
        }
    }
    // A space is freed when no CPU has it loaded any more. A few frames have become page tables of this process.
    REQUIRE(t, eventually(t.env.clock, [&] { return free_pages(t.env) + 8 >= before; }));
}

constexpr Entry kCases[] = {
    {"changed_under_use", changed_under_use},
    {"killed_under_use", killed_under_use},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_demand_zero", kCases); }
