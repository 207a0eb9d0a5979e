// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>

#include "cpu_load.hpp"

using sched::CpuLoad;

TEST_CASE("sched cpu load: the masks say what the counts say") {
    CpuLoad load(0b1011);
    CHECK(load.below(1) == 0b1011);
    CHECK(load.at_least(1) == 0);
    load.add(0);
    load.add(3);
    load.add(3);
    CHECK(load.below(1) == 0b0010);
    CHECK(load.below(2) == 0b0011);
    CHECK(load.at_least(2) == 0b1000);
    load.subtract(3);
    CHECK(load.at_least(2) == 0);
    CHECK(load.at_least(1) == 0b1001);
    load.give_up(1);
    CHECK(load.below(1) == 0);
}

TEST_CASE("sched cpu load: counts beyond the last mask are exact") {
    CpuLoad load(0b1);
    for (std::uint32_t i = 0; i < CpuLoad::kLevels + 3; ++i) {
        load.add(0);
    }
    CHECK(load.count(0) == CpuLoad::kLevels + 3);
    CHECK(load.below(CpuLoad::kLevels) == 0);
    for (int i = 0; i < 4; ++i) {
        load.subtract(0);
    }
    CHECK(load.below(CpuLoad::kLevels) == 1);
    CHECK(load.at_least(CpuLoad::kLevels - 1) == 1);
}

TEST_CASE("sched cpu load: threads that the kernel put on a CPU outside the mask do no harm") {
    CpuLoad load(0b01);
    load.add(1);
    load.add(1);
    CHECK(load.at_least(2) == 0);
    load.subtract(1);
    load.subtract(1);
    CHECK(load.below(1) == 0b01);
}
