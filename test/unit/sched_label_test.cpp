// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>

#include "abi/sched_label.hpp"

using namespace cox::abi;

TEST_CASE("sched label: what is packed comes out again") {
    const SchedLabel label = unpack_sched_label(pack_sched_label({.priority = 255,
                                                                  .weight = 4095,
                                                                  .group = 4095,
                                                                  .period_ns = 6'553'500'000,
                                                                  .budget_ns = 655'350'000}));
    CHECK(label.priority == 255);
    CHECK(label.weight == 4095);
    CHECK(label.group == 4095);
    CHECK(label.period_ns == 6'553'500'000);
    CHECK(label.budget_ns == 655'350'000);
    CHECK(pack_sched_label(label) == ~std::uint64_t{0});
}

TEST_CASE("sched label: nothing set means the defaults, and each field has its bits") {
    const SchedLabel label = unpack_sched_label(0);
    CHECK(label.priority == kDefaultPriority);
    CHECK(label.weight == kDefaultWeight);
    CHECK(label.group == 0);
    CHECK(label.period_ns == 0);
    CHECK(label.budget_ns == 0);
    CHECK(pack_sched_label({.priority = 1, .weight = 0}) == 1);
    CHECK(pack_sched_label({.priority = 0, .weight = 1}) == 0x100);
    CHECK(pack_sched_label({.priority = 0, .weight = 0, .group = 1}) == 0x10'0000);
    CHECK(pack_sched_label({.priority = 0, .weight = 0, .period_ns = 199'999}) == 0x1'0000'0000);
    CHECK(pack_sched_label({.priority = 0, .weight = 0, .budget_ns = 10'000}) == 0x1'0000'0000'0000);
}
