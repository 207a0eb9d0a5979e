// SPDX-License-Identifier: MIT
#include <algorithm>
#include <catch2/catch.hpp>
#include <list>
#include <random>
#include <vector>

#include "augmented_tree.hpp"

namespace {

struct Item {
    std::uint64_t key = 0;
    std::uint64_t value = 0;
    sched::TreeNode<Item> node;
};
struct Order {
    static std::uint64_t key(const Item& item) { return item.key; }
    static std::uint64_t value(const Item& item) { return item.value; }
};
using Tree = sched::AugmentedTree<Item, &Item::node, Order>;

bool any(const Item&) { return true; }

// Items beside a plain list of them, around a point of the clock.
struct Model {
    Model(unsigned seed, std::uint64_t origin) : random(seed), start(origin) {}

    std::uint64_t below(std::uint64_t limit) { return random() % limit; }
    void insert() {
        Item& item = items.emplace_back();
        item.key = start + below(40);
        item.value = start + below(1000);
        tree.insert(item);
    }
    void remove() {
        auto at = std::next(items.begin(), static_cast<std::ptrdiff_t>(below(items.size())));
        tree.remove(*at);
        items.erase(at);
    }
    template <class Suits>
    std::uint64_t least(std::uint64_t limit, Suits suits) {
        std::uint64_t least = start + 5000;
        for (const Item& item : items) {
            if (!sched::is_before(limit, item.key) && suits(item) && sched::is_before(item.value, least)) {
                least = item.value;
            }
        }
        return least;
    }
    template <class Suits>
    void compare(Suits suits) {
        const std::uint64_t limit = start + below(42) - 1;
        const Item* const found = tree.least_up_to(limit, suits);
        CHECK((found != nullptr ? found->value : start + 5000) == least(limit, suits));
        CHECK((found == nullptr || (suits(*found) && !sched::is_before(limit, found->key))));
    }

    std::mt19937_64 random;
    std::uint64_t start;
    std::list<Item> items;
    Tree tree;
};

}  // namespace

TEST_CASE("sched tree: an empty one has nothing") {
    const Tree tree;
    CHECK(tree.empty());
    CHECK(tree.front() == nullptr);
    CHECK(tree.first(any) == nullptr);
    CHECK(tree.least_up_to(~std::uint64_t{0} >> 1, any) == nullptr);
}

TEST_CASE("sched tree: agrees with a list about every question, also where the clock wraps") {
    for (const std::uint64_t origin : {std::uint64_t{1000}, ~std::uint64_t{0} - 20}) {
        for (unsigned seed = 1; seed <= 20; ++seed) {
            Model model(seed, origin);
            for (int i = 0; i < 600; ++i) {
                if (model.items.empty() || model.below(100) < (i < 300 ? 65 : 35)) {
                    model.insert();
                } else {
                    model.remove();
                }
                REQUIRE(model.tree.size() == model.items.size());
                REQUIRE(model.tree.consistent());
                model.compare(any);
                model.compare([](const Item& item) { return item.value % 3 == 0; });
                model.compare([](const Item&) { return false; });
            }
        }
    }
}

TEST_CASE("sched tree: first in, first out among equal keys, and first() passes over what does not suit") {
    std::list<Item> items(50);
    Tree tree;
    for (Item& item : items) {
        item.key = 7;
        item.value = static_cast<std::uint64_t>(&item == &items.back());
        tree.insert(item);
    }
    CHECK(tree.first([](const Item& item) { return item.value == 1; }) == &items.back());
    for (Item& item : items) {
        REQUIRE(tree.front() == &item);
        tree.remove(item);
        CHECK(!item.node.linked());
    }
    CHECK(tree.empty());
}

TEST_CASE("sched tree: sorted input leaves it balanced") {
    std::list<Item> items(2048);
    Tree tree;
    std::uint64_t key = 0;
    for (Item& item : items) {
        item.key = ++key;
        tree.insert(item);
    }
    CHECK(tree.consistent());  // which is what AVL's bound of its height follows from
}

// The negative control of consistent(): what must not happen to an element in the tree, and is seen.
TEST_CASE("sched tree: a value or a key that is changed in the tree is noticed") {
    std::list<Item> items(9);
    Tree tree;
    std::uint64_t key = 0;
    for (Item& item : items) {
        item.key = key += 10;
        item.value = 5;
        tree.insert(item);
    }
    items.front().value = 1;
    CHECK(!tree.consistent());
    items.front().value = 5;
    CHECK(tree.consistent());
    items.front().key = 1000;
    CHECK(!tree.consistent());
}
