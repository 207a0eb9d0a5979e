// SPDX-License-Identifier: MIT
//
// The sieve against a plain one without segments, and against itself under every split.
#include "sieve/sieve.hpp"
#include "sieve/spoiler.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace {

using namespace cox::sieve;

Tally count_share(const Plan& plan, std::uint32_t share) {
    static Sieve sieve;  // large, and reused from range to range on purpose
    sieve.prepare(plan, share);
    return sieve.run();
}

Tally count_all(Range range, std::uint32_t workers) {
    Tally total;
    for (std::uint32_t share = 0; share < workers; ++share) {
        total += count_share(Plan(range, workers), share);
    }
    return total;
}

// Eratosthenes as in a textbook.
Tally count_plainly(Range range) {
    std::vector<bool> composite(range.hi);
    Tally tally;
    for (std::uint64_t n = 2; n < range.hi; ++n) {
        if (composite[n]) {
            continue;
        }
        for (std::uint64_t multiple = n * n; multiple < range.hi; multiple += n) {
            composite[multiple] = true;
        }
        if (n >= range.lo) {
            tally += {1, n, checksum_of_prime(n)};
        }
    }
    return tally;
}

}  // namespace

TEST_CASE("sieve: small ranges with any edges", "[sieve]") {
    const Range ranges[] = {{0, 3},       {0, 100},       {2, 3},          {3, 18},
                            {1, 256},     {5, 257},       {7, 10000},      {13, 17},
                            {255, 70001}, {65521, 65522}, {65519, 131101}, {99991, 300000},
                            {0, 65536},   {0, 65537},     {256, 65792},    {131071, 131072}};
    for (const Range range : ranges) {
        CAPTURE(range.lo, range.hi);
        const Tally plain = count_plainly(range);
        CHECK(count_all(range, 1) == plain);
        CHECK(count_all(range, 5) == plain);
    }
}

TEST_CASE("sieve: the edges move by one", "[sieve]") {
    for (std::uint64_t lo = 0; lo < 40; ++lo) {
        for (std::uint64_t hi = lo + 1; hi < 60; ++hi) {
            CAPTURE(lo, hi);
            REQUIRE(count_all({lo, hi}, 2) == count_plainly({lo, hi}));
        }
    }
}

TEST_CASE("sieve: every number of workers counts the same", "[sieve]") {
    const Range range{1'000, 2'000'003};
    const Tally plain = count_plainly(range);
    for (std::uint32_t workers = 1; workers <= kMaxWorkers; ++workers) {
        CAPTURE(workers);
        REQUIRE(count_all(range, workers) == plain);
    }
}

TEST_CASE("sieve: up to the highest number that it takes", "[sieve]") {
    // Against trial division.
    const Range range{kMaxHigh - 100'000, kMaxHigh};
    Tally plain;
    for (std::uint64_t n = range.lo | 1; n < range.hi; n += 2) {
        bool prime = true;
        for (std::uint64_t d = 3; prime && d * d <= n; d += 2) {
            prime = n % d != 0;
        }
        if (prime) {
            plain += {1, n, checksum_of_prime(n)};
        }
    }
    CHECK(count_all(range, 3) == plain);
}

TEST_CASE("sieve: a sieve that forgets a base prime is noticed", "[sieve]") {
    const Plan plan({0, 3'000'000}, 1);
    const Tally right = count_share(plan, 0);
    auto sieve = std::make_unique<Sieve>();
    for (const std::size_t index : {0, 1, 50, 200}) {
        CAPTURE(index);
        sieve->prepare(plan, 0);
        SieveSpoiler::forget(*sieve, index);
        const Tally forgot = sieve->run();
        CHECK(forgot.count > right.count);
        sieve->prepare(plan, 0);
        SieveSpoiler::displace(*sieve, index);
        CHECK_FALSE(sieve->run() == right);
    }
}

TEST_CASE("tally: flags against one prime at a time", "[sieve]") {
    std::vector<std::uint8_t> flags(kSegmentBytes);
    for (std::size_t i = 0; i < flags.size(); ++i) {
        flags[i] = mix(i + 1) % 11 == 0;
    }
    for (const std::uint64_t first_group : {1ULL, 77ULL, (1ULL << 24) - 256}) {
        Tally expected;
        for (std::size_t i = 0; i < flags.size(); ++i) {
            const std::uint64_t n = first_group * kGroupNumbers + 2 * i + 1;
            expected += flags[i] != 0 ? Tally{1, n, checksum_of_prime(n)} : Tally{};
        }
        CHECK(tally_flags(flags, first_group) == expected);
    }
}

TEST_CASE("tally: mistaken primes with the right number and the right sum are noticed", "[sieve]") {
    std::vector<std::uint8_t> flags(kSegmentBytes);
    flags[5000] = flags[6000] = 1;
    const Tally right = tally_flags(flags, 3);
    flags[5000] = flags[6000] = 0;
    flags[4000] = flags[7000] = 1;
    const Tally wrong = tally_flags(flags, 3);
    CHECK(wrong.count == right.count);
    CHECK(wrong.sum == right.sum);
    CHECK(wrong.checksum != right.checksum);
}
