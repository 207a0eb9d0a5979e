// SPDX-License-Identifier: MIT
#include "abi/sched_label.hpp"

#include <catch2/catch.hpp>

#include <random>

using cox::abi::SchedLabel;

TEST_CASE("sched label: each attribute has its bits", "[label]") {
    CHECK(SchedLabel{}.pack() == 0);
    CHECK(SchedLabel{.priority = 1}.pack() == 1);
    CHECK(SchedLabel{.weight = 1}.pack() == 1u << 8);
    CHECK(SchedLabel{.group = 1}.pack() == 1u << 20);
    CHECK(SchedLabel{.period_us = 100}.pack() == std::uint64_t{1} << 32);
    CHECK(SchedLabel{.budget_us = 10}.pack() == std::uint64_t{1} << 48);
}

TEST_CASE("sched label: what is packed comes out again", "[label]") {
    constexpr SchedLabel kMost{.priority = 255,
                               .weight = 4095,
                               .group = 4095,
                               .period_us = SchedLabel::kMaxPeriodUs,
                               .budget_us = SchedLabel::kMaxBudgetUs};
    CHECK(kMost.fits());
    CHECK(kMost.pack() == ~std::uint64_t{0});
    std::mt19937_64 random(1);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t label = random();
        const SchedLabel unpacked = SchedLabel::unpack(label);
        CHECK(unpacked.fits());
        CHECK(unpacked.pack() == label);
    }
}

TEST_CASE("sched label: what does not fit is told", "[label]") {
    CHECK_FALSE(SchedLabel{.priority = 256}.fits());
    CHECK_FALSE(SchedLabel{.weight = 4096}.fits());
    CHECK_FALSE(SchedLabel{.group = 4096}.fits());
    CHECK_FALSE(SchedLabel{.period_us = 150}.fits());
    CHECK_FALSE(SchedLabel{.period_us = SchedLabel::kMaxPeriodUs + 100}.fits());
    CHECK_FALSE(SchedLabel{.budget_us = 5}.fits());
    CHECK_FALSE(SchedLabel{.budget_us = SchedLabel::kMaxBudgetUs + 10}.fits());
}

TEST_CASE("sched label: unset attributes have their defaults", "[label]") {
    constexpr SchedLabel kUnset;
    CHECK(kUnset.effective_priority() == 128);
    CHECK(kUnset.effective_weight() == 100);
    CHECK_FALSE(kUnset.periodic());
    constexpr SchedLabel kSet{.priority = 7, .weight = 3, .period_us = 100};
    CHECK(kSet.effective_priority() == 7);
    CHECK(kSet.effective_weight() == 3);
    CHECK(kSet.periodic());
}
