// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <vector>

#include "policies/cpu_set.hpp"

TEST_CASE("sched cpu set: visits its CPUs in order, also across words, and also while they are removed") {
    sched::CpuSet set;
    const std::vector<std::uint32_t> cpus = {0, 5, 63, 64, 700, 1023};
    for (const std::uint32_t cpu : cpus) {
        CHECK(!set.has(cpu));
        set.add(cpu);
        CHECK(set.has(cpu));
    }
    CHECK(set.count() == cpus.size());
    std::vector<std::uint32_t> seen;
    for (const std::uint32_t cpu : set) {
        seen.push_back(cpu);
        set.remove(cpu);
    }
    CHECK(seen == cpus);
    CHECK(set.count() == 0);
    CHECK(set.begin() == set.end());
}

TEST_CASE("sched cpu set: the CPUs that a machine says are served") {
    const std::array<sched::CpuPlace, 3> places{{{.served = true}, {}, {.served = true}}};
    const sched::CpuSet served = sched::served_cpus({places});
    CHECK(served.count() == 2);
    CHECK(served.has(0));
    CHECK(served.has(2));
}
