// SPDX-License-Identifier: MIT
//
// The table of known results, checked by means that share nothing with the sieve: a recurrence on sums over
// numbers without small factors (Legendre, Meissel), which never finds out which numbers are prime.
//
//     S(v, p) = sum of f(n), 2 <= n <= v, over the n that are prime or have no factor up to p
//     S(v, p) = S(v, p - 1) - f(p) * (S(v / p, p - 1) - S(p - 1, p - 1))     if p is prime and p * p <= v
//
// for f(n) = 1 and f(n) = n, at all v of the form floor(n / i).
#include "sieve/known.hpp"
#include "sieve/sieve.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

namespace {

using namespace cox::sieve;

struct CountAndSum {
    std::uint64_t count;
    std::uint64_t sum;
};

CountAndSum primes_up_to(std::uint64_t n) {
    const std::uint64_t root = square_root(n);
    std::vector<CountAndSum> low(root + 1);   // at v = index
    std::vector<CountAndSum> high(root + 1);  // at v = n / index
    const auto start = [](std::uint64_t v) {
        const std::uint64_t triangle = v % 2 == 0 ? v / 2 * (v + 1) : (v + 1) / 2 * v;
        return CountAndSum{v - 1, triangle - 1};
    };
    for (std::uint64_t i = 1; i <= root; ++i) {
        low[i] = start(i);
        high[i] = start(n / i);
    }
    for (std::uint64_t p = 2; p <= root; ++p) {
        if (low[p].count == low[p - 1].count) {
            continue;
        }
        const CountAndSum below = low[p - 1];
        const auto take_out = [&](CountAndSum& at, const CountAndSum& quotient) {
            at.count -= quotient.count - below.count;
            at.sum -= p * (quotient.sum - below.sum);
        };
        for (std::uint64_t i = 1; i <= root && n / i >= p * p; ++i) {
            take_out(high[i], i * p <= root ? high[i * p] : low[n / (i * p)]);
        }
        for (std::uint64_t v = root; v >= p * p; --v) {
            take_out(low[v], low[v / p]);
        }
    }
    return high[1];
}

Tally count_all(Range range) {
    static Sieve sieve;
    sieve.prepare(Plan(range, 1), 0);
    return sieve.run();
}

}  // namespace

TEST_CASE("scale known: counts and sums by a method that is no sieve", "[scale]") {
    CHECK(primes_up_to(100).sum == 1060);
    for (const Known& known : all_known()) {
        CAPTURE(known.name);
        const CountAndSum all = primes_up_to(known.range.hi - 1);
        const CountAndSum below = known.range.lo > 2 ? primes_up_to(known.range.lo - 1) : CountAndSum{0, 0};
        CHECK(known.tally.count == all.count - below.count);
        CHECK(known.tally.sum == all.sum - below.sum);
    }
}

TEST_CASE("scale known: the smallest by a plain sieve", "[scale]") {
    const Known smoke = *find_known("smoke");
    std::vector<bool> composite(smoke.range.hi);
    Tally tally;
    for (std::uint64_t n = 2; n < smoke.range.hi; ++n) {
        if (composite[n]) {
            continue;
        }
        tally += {1, n, checksum_of_prime(n)};
        for (std::uint64_t multiple = n * n; multiple < smoke.range.hi; multiple += n) {
            composite[multiple] = true;
        }
    }
    CHECK(tally == smoke.tally);
}

TEST_CASE("scale known: the differences of the powers of ten", "[scale]") {
    Tally tally = find_known("smoke")->tally;
    tally += find_known("decade8")->tally;
    CHECK(tally == find_known("small")->tally);
    tally += find_known("decade9")->tally;
    CHECK(tally == find_known("large")->tally);
}

TEST_CASE("scale known: the sieve counts every range right", "[scale]") {
    for (const Known& known : all_known()) {
        if (known.name != "giant") {
            CAPTURE(known.name);
            const Tally tally = count_all(known.range);
            CHECK(tally == known.tally);
            CHECK(fault_in(known, tally).empty());
        }
    }
}

TEST_CASE("scale known: the sieve counts the largest range right", "[.slow]") {
    CHECK(count_all(find_known("giant")->range) == find_known("giant")->tally);
}

TEST_CASE("scale known: names and numbers", "[scale]") {
    for (const Known& known : all_known()) {
        CHECK(find_known(known.name)->range.hi == known.range.hi);
        CHECK(kKnownNames.find(known.name) != std::string_view::npos);
        CHECK(find_known(known.name)->range.hi <= kMaxHigh);
    }
    CHECK(find_known("268435456")->name == "medium");
    CHECK(find_known("0x10000000")->name == "medium");
    CHECK(find_known("1G")->name == "default");
    CHECK(find_known("4G")->name == "giant");
    CHECK(find_known("10000000")->name == "smoke");
    CHECK_FALSE(find_known(""));
    CHECK_FALSE(find_known("12345"));
    CHECK_FALSE(find_known("Default"));
}

TEST_CASE("scale known: what is wrong is named", "[scale]") {
    const Known known = *find_known("smoke");
    Tally tally = known.tally;
    tally.checksum ^= 1;
    CHECK(fault_in(known, tally) == "count and sum are right, but the checksum is not");
    tally.sum += 2;
    CHECK(fault_in(known, tally) == "the count is right, but the sum of the primes is not");
    tally.count -= 1;
    CHECK(fault_in(known, tally) == "the count is not the known number of primes");
}
