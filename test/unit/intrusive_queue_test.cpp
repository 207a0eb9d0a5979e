// SPDX-License-Identifier: MIT
#include "core/intrusive_queue.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <random>
#include <vector>

#include "core/owner_of.hpp"
#include "support/assert_failed.hpp"

using namespace cox::core;
using cox::test::AssertFailed;

namespace {

struct Item {
    int value = 0;
    QueueNode<Item> node{};
    QueueNode<Item> other_node{};
};

using Queue = IntrusiveQueue<Item, &Item::node>;
using OtherQueue = IntrusiveQueue<Item, &Item::other_node>;

std::vector<int> values(const Queue& queue) {
    std::vector<int> result;
    for (const Item& item : queue) {
        result.push_back(item.value);
    }
    return result;
}

using Values = std::vector<int>;

}  // namespace

TEST_CASE("queue: first in, first out, with both ends") {
    std::array<Item, 4> items{{{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}}};
    Queue queue;
    CHECK(queue.empty());
    CHECK(queue.pop_front() == nullptr);
    CHECK(queue.front() == nullptr);
    queue.push_back(items[1]);
    queue.push_back(items[2]);
    queue.push_front(items[0]);
    queue.push_back(items[3]);
    CHECK(values(queue) == Values{0, 1, 2, 3});
    CHECK(queue.size() == 4);
    CHECK(queue.front() == &items[0]);
    CHECK(queue.next(items[1]) == &items[2]);
    CHECK(queue.next(items[3]) == nullptr);
    CHECK(queue.pop_front() == &items[0]);
    CHECK_FALSE(items[0].node.linked());
    queue.push_back(items[0]);
    CHECK(values(queue) == Values{1, 2, 3, 0});
}

TEST_CASE("queue: removal at the front, in the middle, at the end, of the only one") {
    std::array<Item, 3> items{{{.value = 0}, {.value = 1}, {.value = 2}}};
    for (std::size_t victim = 0; victim < items.size(); ++victim) {
        Queue queue;
        Values expected;
        for (Item& item : items) {
            queue.push_back(item);
        }
        queue.remove(items[victim]);
        for (const Item& item : items) {
            if (&item != &items[victim]) {
                expected.push_back(item.value);
            }
        }
        CHECK(values(queue) == expected);
        queue.push_back(items[victim]);
        CHECK(queue.size() == 3);
        while (queue.pop_front() != nullptr) {
        }
        CHECK(queue.empty());
        queue.push_front(items[victim]);
        queue.remove(items[victim]);
        CHECK(queue.empty());
        CHECK(queue.front() == nullptr);
    }
}

TEST_CASE("queue: misuse is caught") {
    Item a;
    Item b;
    Queue queue;
    Queue another;
    queue.push_back(a);
    CHECK_THROWS_AS(queue.push_back(a), AssertFailed);
    CHECK_THROWS_AS(another.push_front(a), AssertFailed);
    CHECK_THROWS_AS(queue.remove(b), AssertFailed);
    CHECK_THROWS_AS(another.remove(a), AssertFailed);
    CHECK(values(queue).size() == 1);

    OtherQueue other;  // a second node, a second queue
    other.push_back(a);
    CHECK(other.size() == 1);
    queue.remove(a);
    CHECK(a.other_node.linked());
    other.remove(a);
}

TEST_CASE("queue: random operations agree with a deque") {
    std::array<Item, 20> items;
    for (int i = 0; i < 20; ++i) {
        items[static_cast<std::size_t>(i)].value = i;
    }
    Queue queue;
    std::deque<int> model;
    std::mt19937_64 random(42);
    for (int round = 0; round < 20000; ++round) {
        Item& item = items[random() % items.size()];
        if (item.node.linked()) {
            if (random() % 3 == 0) {
                CHECK(queue.pop_front()->value == model.front());
                model.pop_front();
            } else {
                queue.remove(item);
                model.erase(std::ranges::find(model, item.value));
            }
        } else if (!queue.empty() && random() % 4 == 0) {
            queue.rotate(item);
            model.pop_front();
            model.push_back(item.value);
        } else if (random() % 4 == 0) {
            queue.push_front(item);
            model.push_front(item.value);
        } else {
            queue.push_back(item);
            model.push_back(item.value);
        }
        REQUIRE(values(queue) == Values(model.begin(), model.end()));
        REQUIRE(queue.size() == model.size());
    }
}

TEST_CASE("owner_of: from a member to what it is a member of") {
    Item item;
    CHECK(&owner_of<&Item::node>(item.node) == &item);
    CHECK(&owner_of<&Item::other_node>(item.other_node) == &item);
    CHECK(&owner_of<&Item::value>(item.value) == &item);
}
