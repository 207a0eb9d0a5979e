// SPDX-License-Identifier: MIT
//
// What changes of mappings cost, by the kernel's count. The test's thread is on CPU 0, and nobody else changes any.
#pragma once

#include "suite.hpp"
#include "support/owned.hpp"
#include "support/patience.hpp"

#include <array>

namespace test {

inline constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
inline constexpr std::uint64_t kPages = abi::kMaxPagesPerCall;
inline constexpr std::uint64_t kChunks = kPages / 64;  // shootdowns of an unmap that long

using Served = std::array<std::uint64_t, abi::kMaxCpus>;  // by each CPU

struct Cost {
    std::uint64_t shootdowns;
    std::uint64_t ipis;
    std::uint64_t avoided;
    friend bool operator==(const Cost&, const Cost&) = default;
};

inline Cost cost_so_far(const Case& t) {
    const auto stats = t.machine.cpu_stats(0);
    return stats ? Cost{stats->shootdowns, stats->shootdown_ipis, stats->shootdown_ipis_avoided} : Cost{};
}

// Of what this thread, on CPU 0, does.
template <class Act>
Cost cost_of(const Case& t, Act act) {
    const Cost before = cost_so_far(t);
    act();
    const Cost after = cost_so_far(t);
    return {after.shootdowns - before.shootdowns, after.ipis - before.ipis, after.avoided - before.avoided};
}

inline void require_cost(Case& t, const Cost& cost, std::uint64_t shootdowns, std::uint64_t cpus) {
    const Cost expected{shootdowns, shootdowns * cpus, shootdowns * (t.cpus() - 1 - cpus)};
    if (cost != expected) {
        t.fail("shootdowns {}, IPIs {}, avoided {}; should be {}, {}, {}", cost.shootdowns, cost.ipis,
               cost.avoided, expected.shootdowns, expected.ipis, expected.avoided);
    }
}

inline Served served_so_far(const Case& t) {
    Served served{};
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const auto stats = t.machine.cpu_stats(cpu);
        served[cpu] = stats ? stats->shootdowns_served : ~std::uint64_t{0};
    }
    return served;
}

// Pages to change, of the process named.
struct Range {
    Range(Case& t, cap::Process its_process, std::uint64_t at) : process(its_process), address(at) {
        auto made = t.env.process.create_memory(kPages);
        if (!made || !process.map(*made, address, 0, kPages, kReadWrite)) {
            t.fail("no memory");
            return;
        }
        memory = Owned(*made);
    }
    ~Range() { (void)process.unmap(address, kPages); }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;

    [[nodiscard]] bool protect(std::uint64_t pages = 1) const {
        return process.protect(address, pages, kReadWrite).has_value();
    }

    const cap::Process process;
    const std::uint64_t address;
    Owned<cap::Memory> memory;
};

// A CPU that a thread has just left may have its space for a moment still.
inline bool comes_to_cost(Case& t, const Range& range, std::uint64_t cpus) {
    return eventually(t.env.clock, [&] { return cost_of(t, [&] { (void)range.protect(); }).ipis == cpus; });
}

// While `cpus` other CPUs have the space: every operation, its shootdowns, and who has served them.
inline void each_operation(Case& t, const Range& range, std::uint64_t cpus) {
    REQUIRE(t, comes_to_cost(t, range, cpus));
    const Served before = served_so_far(t);
    bool good = true;
    const auto act = [&](std::uint64_t shootdowns, auto what) {
        require_cost(t, cost_of(t, [&] { good &= what(); }), shootdowns, cpus);
    };
    const cap::Process& process = range.process;
    act(1, [&] { return range.protect(); });
    act(1, [&] { return range.protect(kPages); });
    act(1, [&] { return process.unmap(range.address, 1).has_value(); });
    act(0, [&] { return process.unmap(range.address, 1).has_value(); });  // nothing was there
    act(0, [&] { return process.protect(range.address, 2, abi::kRead).error() == abi::Error::kBadAddress; });
    act(0, [&] { return process.map(*range.memory, range.address, 0, 1, kReadWrite).has_value(); });
    act(0, [&] {
        return process.map(*range.memory, range.address, 0, 1, kReadWrite).error() == abi::Error::kOverlap;
    });
    act(kChunks, [&] { return process.unmap(range.address, kPages).has_value(); });
    act(0, [&] { return process.map(*range.memory, range.address, 0, kPages, kReadWrite).has_value(); });
    REQUIRE(t, good);
    const Served after = served_so_far(t);
    std::uint64_t all = 0;
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        REQUIRE(t, after[cpu] == before[cpu] || after[cpu] == before[cpu] + 3 + kChunks);
        all += after[cpu] - before[cpu];
    }
    REQUIRE_EQUAL(t, all, cpus * (3 + kChunks));
}

}  // namespace test
