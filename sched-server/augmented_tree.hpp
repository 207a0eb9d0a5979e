// SPDX-License-Identifier: MIT
//
// AugmentedTree<T, &T::node, Order>: a balanced search tree (AVL: Adelson-Velsky & Landis 1962) of elements that bring
// their own node, sorted by a key, in which each node knows the least value of its subtree (Cormen et al.,
// "Augmenting data structures"). So "the element with the least value among those with a key of at most k" is found in
// O(log n), which is the question that EEVDF asks. Order has
//
//     static std::uint64_t key(const T&);     by which elements are sorted; first in, first out among equals
//     static std::uint64_t value(const T&);   whose least is kept
//
// Neither may change while the element is in the tree. Keys and values are points on clocks that may wrap: a is before b when the
// signed difference says so, hence all that stand in a tree together must be less than 2^63 apart. Recursion is as deep
// as the tree is high, at most 1.44 log2(n). One owner at a time.
#pragma once

#include "core/assert.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sched {

constexpr bool is_before(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b) < 0; }

template <class T>
class TreeNode {
public:
    TreeNode() = default;
    TreeNode(const TreeNode&) = delete;
    TreeNode& operator=(const TreeNode&) = delete;

    [[nodiscard]] bool linked() const { return height_ != 0; }

private:
    template <class U, TreeNode<U> U::* Node, class Order>
    friend class AugmentedTree;

    T* left_ = nullptr;
    T* right_ = nullptr;
    std::uint64_t least_ = 0;    // value in the subtree
    std::uint64_t arrival_ = 0;  // breaks ties of keys, the same way in every run
    std::int32_t height_ = 0;    // of the subtree; 0: in no tree
};

template <class T, TreeNode<T> T::* Node, class Order>
class AugmentedTree {
public:
    AugmentedTree() = default;
    AugmentedTree(const AugmentedTree&) = delete;
    AugmentedTree& operator=(const AugmentedTree&) = delete;

    [[nodiscard]] bool empty() const { return root_ == nullptr; }
    [[nodiscard]] std::size_t size() const { return size_; }

    void insert(T& element) {
        COX_ASSERT(!(element.*Node).linked());
        (element.*Node).arrival_ = ++arrivals_;
        root_ = insert_below(root_, element);
        ++size_;
    }
    void remove(T& element) {
        COX_ASSERT((element.*Node).linked());
        root_ = remove_below(root_, element);
        TreeNode<T>& node = element.*Node;
        node.left_ = nullptr;
        node.right_ = nullptr;
        node.height_ = 0;
        --size_;
    }

    // The least key; nullptr when empty.
    [[nodiscard]] T* front() const {
        T* tree = root_;
        while (tree != nullptr && left(*tree) != nullptr) {
            tree = left(*tree);
        }
        return tree;
    }

    // The first in order of keys that suits; nullptr if none does. Linear in those before it.
    template <class Suits>
    [[nodiscard]] T* first(Suits suits) const {
        return first_below(root_, suits);
    }

    // Of the elements with a key of at most `limit` that suit, one with the least value; nullptr if there is none.
    // O(log n) if the one with the least value suits, else up to O(n).
    template <class Suits>
    [[nodiscard]] T* least_up_to(std::uint64_t limit, Suits suits) const {
        T* const least = least_up_to(limit);
        if (least == nullptr || suits(*least)) {
            return least;
        }
        T* best = nullptr;
        search(root_, limit, suits, best);
        return best;
    }

    // Whether order, balance and the values kept are right. For tests.
    [[nodiscard]] bool consistent() const { return consistent_below(root_); }

private:
    static T*& left(T& tree) { return (tree.*Node).left_; }
    static T*& right(T& tree) { return (tree.*Node).right_; }
    static std::int32_t height(const T* tree) { return tree != nullptr ? (tree->*Node).height_ : 0; }
    static bool goes_before(const T& a, const T& b) {
        const std::uint64_t key_a = Order::key(a);
        const std::uint64_t key_b = Order::key(b);
        return key_a != key_b ? is_before(key_a, key_b) : (a.*Node).arrival_ < (b.*Node).arrival_;
    }

    // ---- Balance. Each function returns the new root of the subtree that it was given.

    static std::int32_t height_of(const T& tree) {
        return 1 + std::max(height((tree.*Node).left_), height((tree.*Node).right_));
    }
    static std::uint64_t least_of(const T& tree) {
        std::uint64_t least = Order::value(tree);
        for (const T* child : {(tree.*Node).left_, (tree.*Node).right_}) {
            if (child != nullptr && is_before((child->*Node).least_, least)) {
                least = (child->*Node).least_;
            }
        }
        return least;
    }
    static T* updated(T& tree) {
        (tree.*Node).height_ = height_of(tree);
        (tree.*Node).least_ = least_of(tree);
        return &tree;
    }
    static T* rotated_right(T& tree) {
        T& top = *left(tree);
        left(tree) = right(top);
        right(top) = updated(tree);
        return updated(top);
    }
    static T* rotated_left(T& tree) {
        T& top = *right(tree);
        right(tree) = left(top);
        left(top) = updated(tree);
        return updated(top);
    }
    static T* balanced(T& tree) {
        const std::int32_t lean = height(left(tree)) - height(right(tree));
        if (lean > 1) {
            T& child = *left(tree);
            if (height(left(child)) < height(right(child))) {
                left(tree) = rotated_left(child);
            }
            return rotated_right(tree);
        }
        if (lean < -1) {
            T& child = *right(tree);
            if (height(right(child)) < height(left(child))) {
                right(tree) = rotated_right(child);
            }
            return rotated_left(tree);
        }
        return updated(tree);
    }

    static T* insert_below(T* tree, T& element) {
        if (tree == nullptr) {
            return updated(element);
        }
        T*& side = goes_before(element, *tree) ? left(*tree) : right(*tree);
        side = insert_below(side, element);
        return balanced(*tree);
    }
    static T* remove_below(T* tree, T& element) {
        COX_ASSERT(tree != nullptr);  // or it stands in another tree, or its key has changed
        if (tree != &element) {
            T*& side = goes_before(element, *tree) ? left(*tree) : right(*tree);
            side = remove_below(side, element);
            return balanced(*tree);
        }
        if (left(element) == nullptr || right(element) == nullptr) {
            return left(element) != nullptr ? left(element) : right(element);
        }
        T* successor = nullptr;
        T* const rest = take_front(*right(element), successor);
        left(*successor) = left(element);
        right(*successor) = rest;
        return balanced(*successor);
    }
    static T* take_front(T& tree, T*& front) {
        if (left(tree) == nullptr) {
            front = &tree;
            return right(tree);
        }
        left(tree) = take_front(*left(tree), front);
        return balanced(tree);
    }

    // ---- Search.

    template <class Suits>
    static T* first_below(T* tree, Suits& suits) {
        if (tree == nullptr) {
            return nullptr;
        }
        T* const before = first_below(left(*tree), suits);
        if (before != nullptr) {
            return before;
        }
        return suits(*tree) ? tree : first_below(right(*tree), suits);
    }

    // The elements up to the limit are the nodes left of one path, with their left subtrees. The best of these
    // nodes and subtrees is found on the way down, and then a path to where its value comes from.
    T* least_up_to(std::uint64_t limit) const {
        T* best = nullptr;
        std::uint64_t least = 0;
        bool below = false;  // the value is of best's left subtree
        for (T* tree = root_; tree != nullptr;) {
            if (is_before(limit, Order::key(*tree))) {
                tree = left(*tree);
                continue;
            }
            const T* const child = left(*tree);
            if (child != nullptr && (best == nullptr || is_before((child->*Node).least_, least))) {
                best = tree;
                least = (child->*Node).least_;
                below = true;
            }
            if (best == nullptr || is_before(Order::value(*tree), least)) {
                best = tree;
                least = Order::value(*tree);
                below = false;
            }
            tree = right(*tree);
        }
        if (below) {
            best = left(*best);
            while (Order::value(*best) != least) {
                T* const child = left(*best);
                best = child != nullptr && (child->*Node).least_ == least ? child : right(*best);
            }
        }
        return best;
    }

    template <class Suits>
    static void search(T* tree, std::uint64_t limit, Suits& suits, T*& best) {
        if (tree == nullptr || (best != nullptr && !is_before((tree->*Node).least_, Order::value(*best)))) {
            return;
        }
        if (is_before(limit, Order::key(*tree))) {
            return search(left(*tree), limit, suits, best);
        }
        if ((best == nullptr || is_before(Order::value(*tree), Order::value(*best))) && suits(*tree)) {
            best = tree;
        }
        search(left(*tree), limit, suits, best);
        search(right(*tree), limit, suits, best);
    }

    static bool consistent_below(const T* tree) {
        if (tree == nullptr) {
            return true;
        }
        const TreeNode<T>& node = tree->*Node;
        const bool sorted = (node.left_ == nullptr || goes_before(*node.left_, *tree)) &&
                            (node.right_ == nullptr || goes_before(*tree, *node.right_));
        const std::int32_t lean = height(node.left_) - height(node.right_);
        return sorted && lean >= -1 && lean <= 1 && node.height_ == height_of(*tree) &&
               node.least_ == least_of(*tree) && consistent_below(node.left_) &&
               consistent_below(node.right_);
    }

    T* root_ = nullptr;
    std::size_t size_ = 0;
    std::uint64_t arrivals_ = 0;
};

}  // namespace sched
