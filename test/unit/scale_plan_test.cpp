// SPDX-License-Identifier: MIT
//
// The split: it covers everything once, whatever W is, and its shares are even.
#include "sieve/known.hpp"
#include "sieve/plan.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

using namespace cox::sieve;

TEST_CASE("scale plan: every segment belongs to one share, and they cover the range", "[scale]") {
    for (const Known& known : all_known()) {
        for (std::uint32_t workers = 1; workers <= kMaxWorkers; ++workers) {
            const Plan plan(known.range, workers);
            CAPTURE(known.name, workers);
            REQUIRE(plan.segment_groups() * kGroupNumbers <= kSegmentNumbers);
            std::vector<int> owners(plan.segments());
            for (std::uint32_t share = 0; share < workers; ++share) {
                for (std::uint32_t i = 0; i < plan.segments_of(share); ++i) {
                    ++owners.at(share + i * workers);
                }
            }
            REQUIRE(std::all_of(owners.begin(), owners.end(), [](int n) { return n == 1; }));
            const std::uint64_t begin = plan.first_group() * kGroupNumbers;
            const std::uint64_t length = std::uint64_t{plan.segment_groups()} * kGroupNumbers;
            REQUIRE(begin <= known.range.lo);
            REQUIRE(begin + plan.segments() * length >= known.range.hi);
            REQUIRE(begin + (plan.segments() - 1) * length < known.range.hi);
        }
    }
}

TEST_CASE("scale plan: the largest share is within 2 % of the mean", "[scale]") {
    for (const Known& known : all_known()) {
        for (std::uint32_t workers = 1; workers <= kMaxWorkers; ++workers) {
            const Plan plan(known.range, workers);
            CAPTURE(known.name, workers);
            std::uint64_t largest = 0;
            std::uint64_t sum = 0;
            for (std::uint32_t share = 0; share < workers; ++share) {
                largest = std::max(largest, plan.cost_of(share));
                sum += plan.cost_of(share);
            }
            REQUIRE(sum == plan.total_cost());
            REQUIRE(largest == plan.largest_cost());
            REQUIRE(largest * workers * 100 <= sum * 102);
        }
    }
}

TEST_CASE("scale plan: the ideal speedup is W, less what short segments cost", "[scale]") {
    for (const Known& known : all_known()) {
        for (std::uint32_t workers = 1; workers <= kMaxWorkers; ++workers) {
            const std::uint64_t ideal = ideal_speedup_milli(known.range, workers);
            CAPTURE(known.name, workers, ideal);
            REQUIRE(ideal <= workers * 1000);
            REQUIRE(ideal >= workers * (workers <= 8 ? 980 : 900));
        }
    }
    CHECK(ideal_speedup_milli({0, std::uint64_t{1} << 28}, 2) == 2000);
}

TEST_CASE("scale plan: a seed permutes the shares", "[scale]") {
    for (std::uint32_t workers = 1; workers <= kMaxWorkers; ++workers) {
        for (const std::uint64_t seed : {0ULL, 1ULL, 2ULL, 0xffff'ffff'ffff'ffffULL}) {
            std::set<std::uint32_t> shares;
            for (std::uint32_t worker = 0; worker < workers; ++worker) {
                const std::uint32_t share = share_of(worker, workers, seed);
                REQUIRE(share < workers);
                REQUIRE((seed != 0 || share == worker));
                shares.insert(share);
            }
            REQUIRE(shares.size() == workers);
        }
    }
    bool differ = false;
    for (std::uint32_t worker = 0; worker < 8; ++worker) {
        differ |= share_of(worker, 8, 1) != share_of(worker, 8, 2);
    }
    CHECK(differ);
}

TEST_CASE("scale plan: square roots", "[scale]") {
    for (const std::uint64_t n :
         {0ULL, 1ULL, 2ULL, 3ULL, 4ULL, 8ULL, 9ULL, 255ULL, 256ULL, (1ULL << 32) - 1, 1ULL << 32}) {
        const std::uint64_t root = square_root(n);
        CHECK(root * root <= n);
        CHECK((root + 1) * (root + 1) > n);
    }
}
