// SPDX-License-Identifier: MIT
#include "core/timer_queue.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "support/assert_failed.hpp"

using namespace cox::core;

namespace {

struct Item {
    TimerNode<Item> timer;
};

using Timers = TimerQueue<Item, &Item::timer>;

}  // namespace

TEST_CASE("timers: earliest first, only when expired") {
    Timers timers;
    Item a;
    Item b;
    Item c;
    CHECK(timers.empty());
    CHECK(timers.min() == nullptr);
    CHECK(timers.pop_expired(std::numeric_limits<std::uint64_t>::max()) == nullptr);
    timers.insert(b, 20);
    timers.insert(a, 10);
    timers.insert(c, 30);
    CHECK(timers.size() == 3);
    CHECK(timers.min() == &a);
    CHECK(a.timer.deadline() == 10);
    CHECK(timers.pop_expired(9) == nullptr);
    CHECK(timers.pop_expired(10) == &a);
    CHECK_FALSE(a.timer.armed());
    CHECK(timers.pop_expired(19) == nullptr);
    CHECK(timers.pop_expired(100) == &b);
    timers.insert(a, 25);
    CHECK(timers.pop_expired(100) == &a);
    CHECK(timers.pop_expired(100) == &c);
    CHECK(timers.empty());
}

TEST_CASE("timers: extreme and equal deadlines") {
    Timers timers;
    std::vector<std::unique_ptr<Item>> items;
    for (int i = 0; i < 10; ++i) {
        items.push_back(std::make_unique<Item>());
        timers.insert(*items.back(), i < 5 ? 0 : std::numeric_limits<std::uint64_t>::max());
    }
    int popped = 0;
    while (timers.pop_expired(0) != nullptr) {
        ++popped;
    }
    CHECK(popped == 5);
    CHECK(timers.pop_expired(std::numeric_limits<std::uint64_t>::max() - 1) == nullptr);
    while (timers.pop_expired(std::numeric_limits<std::uint64_t>::max()) != nullptr) {
        ++popped;
    }
    CHECK(popped == 10);
}

TEST_CASE("timers: misuse is caught") {
    Timers timers;
    Item a;
    timers.insert(a, 1);
    CHECK_THROWS_AS(timers.insert(a, 2), cox::test::AssertFailed);
    timers.remove(a);
    CHECK_THROWS_AS(timers.remove(a), cox::test::AssertFailed);
}

TEST_CASE("timers: random operations agree with a sorted map") {
    std::mt19937_64 random(9);
    std::vector<std::unique_ptr<Item>> items;
    for (int i = 0; i < 64; ++i) {
        items.push_back(std::make_unique<Item>());
    }
    Timers timers;
    std::multimap<std::uint64_t, Item*> model;
    std::uint64_t now = 0;
    const auto forget = [&](Item& item, std::uint64_t deadline) {
        const auto [begin, end] = model.equal_range(deadline);
        const auto found = std::find_if(begin, end, [&](const auto& entry) { return entry.second == &item; });
        REQUIRE(found != end);
        model.erase(found);
    };
    for (int round = 0; round < 50000; ++round) {
        Item& item = *items[random() % items.size()];
        if (!item.timer.armed()) {
            const std::uint64_t deadline = now + random() % 100;
            timers.insert(item, deadline);
            model.emplace(deadline, &item);
        } else if (random() % 2 == 0) {
            forget(item, item.timer.deadline());
            timers.remove(item);
        } else {
            now += random() % 20;
            std::uint64_t previous = 0;
            while (Item* const expired = timers.pop_expired(now)) {
                REQUIRE(expired->timer.deadline() == model.begin()->first);
                REQUIRE(expired->timer.deadline() >= previous);
                previous = expired->timer.deadline();
                forget(*expired, previous);
            }
            REQUIRE((model.empty() || model.begin()->first > now));
        }
        REQUIRE(timers.size() == model.size());
        REQUIRE((timers.min() == nullptr) == model.empty());
        if (timers.min() != nullptr) {
            REQUIRE(timers.min()->timer.deadline() == model.begin()->first);
        }
    }
}

TEST_CASE("timers: a hundred thousand sorted insertions come out without recursion") {
    constexpr std::uint64_t kCount = 100000;
    for (const bool rising : {false, true}) {
        std::vector<Item> items(kCount);
        Timers timers;
        for (std::uint64_t i = 0; i < kCount; ++i) {
            timers.insert(items[i], rising ? i : kCount - i);
        }
        std::uint64_t count = 0;
        std::uint64_t previous = 0;
        bool sorted = true;
        while (const Item* const item = timers.pop_expired(kCount)) {
            sorted &= item->timer.deadline() >= previous;
            previous = item->timer.deadline();
            ++count;
        }
        CHECK(sorted);
        CHECK(count == kCount);
    }
}
