// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "workload/histogram.hpp"
#include "workload/random.hpp"
#include "workload/work.hpp"

using workload::Histogram;

namespace {

std::uint64_t exact(std::vector<std::uint64_t> values, std::uint64_t per_mille) {
    std::sort(values.begin(), values.end());
    const std::uint64_t rank = std::max<std::uint64_t>((values.size() * per_mille + 999) / 1000, 1);
    return values[rank - 1];
}

}  // namespace

TEST_CASE("workload: an empty histogram has nothing to say", "[workload]") {
    const auto histogram = std::make_unique<Histogram>();
    CHECK(histogram->count() == 0);
    CHECK(histogram->quantile(500) == 0);
    CHECK(histogram->max() == 0);
}

TEST_CASE("workload: small values and the extremes are exact", "[workload]") {
    const auto histogram = std::make_unique<Histogram>();
    for (std::uint64_t value = 1; value <= 60; ++value) {
        histogram->add(value);
    }
    CHECK(histogram->quantile(500) == 30);
    CHECK(histogram->quantile(0) == 1);
    CHECK(histogram->quantile(1000) == 60);
    histogram->add(std::numeric_limits<std::uint64_t>::max());
    CHECK(histogram->max() == std::numeric_limits<std::uint64_t>::max());
    CHECK(histogram->quantile(1000) == std::numeric_limits<std::uint64_t>::max());
    CHECK(histogram->count() == 61);
}

TEST_CASE("workload: a quantile is at most 1/64 too high, and never too low", "[workload]") {
    std::mt19937_64 random(7);
    for (int round = 0; round < 50; ++round) {
        const auto histogram = std::make_unique<Histogram>();
        std::vector<std::uint64_t> values;
        for (int i = 0; i < 1 + round * 20; ++i) {
            values.push_back(random() >> random() % 64);
            histogram->add(values.back());
        }
        for (const std::uint64_t per_mille : {1, 500, 900, 990, 999, 1000}) {
            const std::uint64_t right = exact(values, per_mille);
            CHECK(histogram->quantile(per_mille) >= right);
            CHECK(histogram->quantile(per_mille) - right <= right / 64);
        }
    }
}

TEST_CASE("workload: merged histograms are those of all values", "[workload]") {
    const auto all = std::make_unique<Histogram>();
    const auto odd = std::make_unique<Histogram>();
    const auto even = std::make_unique<Histogram>();
    for (std::uint64_t value = 0; value < 5000; ++value) {
        all->add(value * value);
        (value % 2 != 0 ? *odd : *even).add(value * value);
    }
    odd->merge(*even);
    CHECK(odd->count() == all->count());
    for (std::uint64_t per_mille = 0; per_mille <= 1000; per_mille += 25) {
        CHECK(odd->quantile(per_mille) == all->quantile(per_mille));
    }
}

TEST_CASE("workload: the outcome of work is known without doing it", "[workload]") {
    for (const std::uint64_t steps : {0, 1, 2, 3, 64, 1000, 65537}) {
        CHECK(workload::work(steps + 99, steps) == workload::outcome(steps + 99, steps));
    }
    CHECK(workload::outcome(workload::outcome(1, 300), 500) == workload::outcome(1, 800));
    CHECK(workload::outcome(1, 799) != workload::outcome(1, 800));
}

TEST_CASE("workload: a seed gives one sequence", "[workload]") {
    workload::Random one(3), same(3), other(4);
    CHECK(one.next() == same.next());
    CHECK(one.next() != other.next());
    for (int i = 0; i < 1000; ++i) {
        CHECK(one.below(10) < 10);
    }
}
