// SPDX-License-Identifier: MIT
#include "core/derivation.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <vector>

using cox::core::Derivation;

namespace {

struct Node {
    Derivation derivation;
    Node* parent = nullptr;
    bool there = false;
};

// What was derived from `node`, by taking it away: the order in which it left.
std::vector<Derivation*> revoked(Derivation& node) {
    std::vector<Derivation*> gone;
    while (Derivation* const derived = node.newest_derived()) {
        derived->leave();
        gone.push_back(derived);
    }
    return gone;
}

bool comes_from(const Node* node, const Node& ancestor) {
    while (node != nullptr && node != &ancestor) {
        node = node->parent;
    }
    return node != nullptr;
}

// The tree, and the same as parents that are followed.
class Forest {
public:
    explicit Forest(unsigned seed) : random_(seed) {}

    void step() {
        Node& node = any();
        if (!node.there) {
            return enter(node);
        }
        switch (random_() % 8) {
            case 0: return revoke(node);
            case 1:
            case 2: return leave(node);
            default: break;
        }
    }

    std::size_t revoked_at_most() const { return most_; }

private:
    Node& any() { return nodes_[random_() % nodes_.size()]; }

    void enter(Node& node) {
        Node& parent = any();
        node.parent = nullptr;
        if (!parent.there) {
            node.derivation.stand_alone();
        } else if (random_() % 8 == 0) {
            node.derivation.derive_between(parent.derivation);
            for (Node& other : nodes_) {
                if (other.there && other.parent == &parent) {
                    other.parent = &node;
                }
            }
            node.parent = &parent;
        } else {
            node.derivation.derive_from(parent.derivation);
            node.parent = &parent;
        }
        node.there = true;
    }

    void leave(Node& node) {
        node.derivation.leave();
        node.there = false;
        for (Node& other : nodes_) {
            if (other.there && other.parent == &node) {
                other.parent = node.parent;
            }
        }
    }

    void revoke(Node& node) {
        std::set<Derivation*> expected;
        for (Node& other : nodes_) {
            if (other.there && &other != &node && comes_from(&other, node)) {
                expected.insert(&other.derivation);
                other.there = false;
            }
        }
        const auto gone = revoked(node.derivation);
        REQUIRE(std::set<Derivation*>(gone.begin(), gone.end()) == expected);
        REQUIRE(gone.size() == expected.size());
        most_ = std::max(most_, gone.size());
    }

    std::mt19937 random_;
    std::array<Node, 60> nodes_;
    std::size_t most_ = 0;
};

}  // namespace

TEST_CASE("derivation: the newest goes first, its own after it") {
    std::array<Derivation, 5> d;  // 0 ( 2 ( )  1 ( 3 ( ) ) )
    d[0].stand_alone();
    d[1].derive_from(d[0]);
    d[2].derive_from(d[0]);
    d[3].derive_from(d[1]);
    CHECK(d[0].newest_derived() == &d[2]);
    CHECK(d[1].newest_derived() == &d[3]);
    CHECK(d[2].newest_derived() == nullptr);
    CHECK(revoked(d[0]) == std::vector{&d[2], &d[1], &d[3]});
}

TEST_CASE("derivation: what was derived from one that has left is its parent's, not its sibling's") {
    std::array<Derivation, 5> d;
    d[0].stand_alone();
    d[1].derive_from(d[0]);
    d[2].derive_from(d[1]);
    d[3].derive_from(d[0]);
    d[1].leave();
    CHECK(d[3].newest_derived() == nullptr);
    CHECK(d[2].newest_derived() == nullptr);
    d[4].derive_from(d[0]);
    CHECK(d[4].newest_derived() == nullptr);
    CHECK(revoked(d[0]) == std::vector{&d[4], &d[3], &d[2]});
}

TEST_CASE("derivation: roots have nothing to do with each other, nor what a root leaves behind") {
    std::array<Derivation, 4> d;
    d[0].stand_alone();
    d[1].derive_from(d[0]);
    d[2].derive_from(d[0]);
    d[3].derive_from(d[2]);
    d[0].leave();
    CHECK(revoked(d[1]).empty());
    CHECK(revoked(d[2]) == std::vector{&d[3]});
}

TEST_CASE("derivation: one takes another's place") {
    std::array<Derivation, 5> d;
    d[0].stand_alone();
    d[1].derive_from(d[0]);
    d[2].derive_from(d[1]);
    d[3].derive_from(d[1]);
    d[4].derive_between(d[1]);
    CHECK(d[1].newest_derived() == &d[4]);
    d[1].leave();
    CHECK(d[0].newest_derived() == &d[4]);
    CHECK(revoked(d[4]) == std::vector{&d[3], &d[2]});
}

TEST_CASE("derivation: as a tree of parents") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        Forest forest(seed);
        for (int i = 0; i < 5000; ++i) {
            forest.step();
        }
        CHECK(forest.revoked_at_most() > 5);
    }
}
