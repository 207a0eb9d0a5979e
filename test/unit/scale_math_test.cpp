// SPDX-License-Identifier: MIT
#include "root/scale_math.hpp"

#include <catch2/catch.hpp>

#include <vector>

using root::overlap_milli;
using root::section_ns;
using root::WorkerTimes;

TEST_CASE("scale math: the section lasts until the last finish", "[scale]") {
    CHECK(section_ns({}) == 0);
    CHECK(section_ns(std::vector<WorkerTimes>{{1, 50, 49}, {1, 70, 9}, {2, 60, 58}}) == 70);
}

TEST_CASE("scale math: overlap", "[scale]") {
    CHECK(overlap_milli({}) == 0);
    CHECK(overlap_milli(std::vector<WorkerTimes>{{0, 1000, 1000}}) == 1000);
    CHECK(overlap_milli(std::vector<WorkerTimes>{{0, 1000, 1000}, {0, 1000, 1000}}) == 1000);
    CHECK(overlap_milli(std::vector<WorkerTimes>{{0, 1000, 990}, {0, 980, 975}}) == 965);
    // One after the other, and two that share a CPU.
    CHECK(overlap_milli(std::vector<WorkerTimes>{{0, 500, 500}, {500, 1000, 500}}) == 0);
    CHECK(overlap_milli(std::vector<WorkerTimes>{{0, 1000, 480}, {0, 1000, 520}}) == 0);
    // Four on two CPUs.
    CHECK(overlap_milli(std::vector<WorkerTimes>(4, {0, 1000, 500})) == 0);
    // Time on a CPU after the finish does not count, and no worker counts for more than itself.
    CHECK(overlap_milli(std::vector<WorkerTimes>{{0, 400, 900}, {0, 1000, 1000}}) == 400);
    // Two of three overlap, the third slept.
    CHECK(overlap_milli(std::vector<WorkerTimes>{{0, 1000, 1000}, {0, 1000, 1000}, {0, 1000, 0}}) == 0);
}
