// SPDX-License-Identifier: MIT
//
// TimerQueue<T, &T::timer>: elements ordered by deadline, as an intrusive pairing heap. Owner-only, allocates
// nothing. insert and min take constant time; pop_expired and remove take O(log n) amortised, O(n) at worst.
// Elements with equal deadlines come out in no promised order, but in the same one on every run.
//
// Each node has its first child, its next sibling, and `back_`: the sibling before it, or the parent if it is
// the first child.
//
//         3                 child of 3: 5; siblings 5 → 4 → 9
//       / | \               back_ of 5: 3, of 4: 5, of 9: 4
//      5  4  9
#pragma once

#include "core/assert.hpp"

#include <cstddef>
#include <cstdint>

namespace cox::core {

template <class T>
class TimerNode {
public:
    TimerNode() = default;
    TimerNode(const TimerNode&) = delete;
    TimerNode& operator=(const TimerNode&) = delete;

    [[nodiscard]] bool armed() const { return armed_; }
    [[nodiscard]] std::uint64_t deadline() const { return deadline_; }

private:
    template <class U, TimerNode<U> U::* Node>
    friend class TimerQueue;

    std::uint64_t deadline_ = 0;
    T* child_ = nullptr;
    T* next_ = nullptr;
    T* back_ = nullptr;
    bool armed_ = false;
};

template <class T, TimerNode<T> T::* Node>
class TimerQueue {
public:
    TimerQueue() = default;
    TimerQueue(const TimerQueue&) = delete;
    TimerQueue& operator=(const TimerQueue&) = delete;

    [[nodiscard]] bool empty() const { return root_ == nullptr; }
    [[nodiscard]] std::size_t size() const { return size_; }

    // The element with the earliest deadline; nullptr when empty.
    [[nodiscard]] T* min() const { return root_; }

    void insert(T& element, std::uint64_t deadline) {
        TimerNode<T>& node = element.*Node;
        COX_ASSERT(!node.armed_);
        node.deadline_ = deadline;
        node.armed_ = true;
        root_ = meld(root_, &element);
        ++size_;
    }

    void remove(T& element) {
        TimerNode<T>& node = element.*Node;
        COX_ASSERT(node.armed_);
        T* const children = meld_siblings(node.child_);
        if (root_ == &element) {
            root_ = children;
        } else {
            cut(element);
            root_ = meld(root_, children);
        }
        node.child_ = nullptr;
        node.armed_ = false;
        --size_;
    }

    // The earliest element, taken out, if its deadline is at or before `now`; else nullptr.
    [[nodiscard]] T* pop_expired(std::uint64_t now) {
        T* const element = root_;
        if (element == nullptr || (element->*Node).deadline_ > now) {
            return nullptr;
        }
        remove(*element);
        return element;
    }

private:
    // Of two roots (neither with siblings; either may be nullptr) the later becomes the earlier's first
    // child.
    static T* meld(T* a, T* b) {
        if (a == nullptr || b == nullptr) {
            return a == nullptr ? b : a;
        }
        if ((b->*Node).deadline_ < (a->*Node).deadline_) {
            T* const swap = a;
            a = b;
            b = swap;
        }
        TimerNode<T>& parent = a->*Node;
        TimerNode<T>& child = b->*Node;
        child.next_ = parent.child_;
        if (child.next_ != nullptr) {
            (child.next_->*Node).back_ = b;
        }
        child.back_ = a;
        parent.child_ = b;
        return a;
    }

    // Two passes, without recursion: meld the siblings in pairs, stacking the results; then meld the stack
    // into one.
    static T* meld_siblings(T* first) {
        T* pairs = nullptr;
        while (first != nullptr) {
            T* const a = first;
            T* const b = (a->*Node).next_;
            first = b == nullptr ? nullptr : (b->*Node).next_;
            detach(a);
            detach(b);
            T* const pair = meld(a, b);
            (pair->*Node).next_ = pairs;
            pairs = pair;
        }
        T* root = nullptr;
        while (pairs != nullptr) {
            T* const pair = pairs;
            pairs = (pair->*Node).next_;
            detach(pair);
            root = meld(root, pair);
        }
        return root;
    }

    static void detach(T* element) {
        if (element != nullptr) {
            (element->*Node).next_ = nullptr;
            (element->*Node).back_ = nullptr;
        }
    }

    // Takes an element that is not the root out of its parent's list of children.
    static void cut(T& element) {
        TimerNode<T>& node = element.*Node;
        TimerNode<T>& back = node.back_->*Node;
        (back.child_ == &element ? back.child_ : back.next_) = node.next_;
        if (node.next_ != nullptr) {
            (node.next_->*Node).back_ = node.back_;
        }
        detach(&element);
    }

    T* root_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace cox::core
