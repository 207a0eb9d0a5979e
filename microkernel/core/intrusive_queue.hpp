// SPDX-License-Identifier: MIT
//
// IntrusiveQueue<T, &T::node>: a first-in, first-out queue of elements that bring their own links, so that
// nothing allocates and any element can be taken out of the middle in constant time. One owner at a time: no
// operation is atomic. An element stands in at most one queue per node; queueing one that stands already, or
// removing one from a queue that is not its own, is a bug of the caller (the second is found only where the
// links show it).
#pragma once

#include "core/assert.hpp"

#include <cstddef>
#include <utility>

namespace cox::core {

template <class T>
class QueueNode {
public:
    QueueNode() = default;
    QueueNode(const QueueNode&) = delete;
    QueueNode& operator=(const QueueNode&) = delete;

    [[nodiscard]] bool linked() const { return linked_; }

private:
    template <class U, QueueNode<U> U::* Node>
    friend class IntrusiveQueue;

    T* next_ = nullptr;  // both nullptr, unless linked
    T* previous_ = nullptr;
    bool linked_ = false;
};

template <class T, QueueNode<T> T::* Node>
class IntrusiveQueue {
public:
    IntrusiveQueue() = default;
    IntrusiveQueue(const IntrusiveQueue&) = delete;
    IntrusiveQueue& operator=(const IntrusiveQueue&) = delete;

    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T* front() const { return head_; }

    // The element behind `element`, which must stand in this queue; nullptr at the end.
    [[nodiscard]] T* next(const T& element) const { return (element.*Node).next_; }

    [[gnu::always_inline]] void push_back(T& element) {
        QueueNode<T>& node = element.*Node;
        COX_ASSERT(!node.linked_);
        T* const last = tail_;
        node.previous_ = last;
        node.linked_ = true;
        (last != nullptr ? (last->*Node).next_ : head_) = &element;
        tail_ = &element;
        ++size_;
    }
    void push_front(T& element) {
        QueueNode<T>& node = element.*Node;
        COX_ASSERT(!node.linked_);
        node.next_ = head_;
        node.linked_ = true;
        (head_ != nullptr ? (head_->*Node).previous_ : tail_) = &element;
        head_ = &element;
        ++size_;
    }

    // nullptr when empty.
    T* pop_front() {
        T* const element = head_;
        if (element != nullptr) {
            drop_front(*element);
        }
        return element;
    }

    // The front leaves, which is `element`.
    [[gnu::always_inline]] void drop_front(T& element) {
        QueueNode<T>& front = element.*Node;
        COX_ASSERT(front.linked_);
        front.linked_ = false;
        T* const second = std::exchange(front.next_, nullptr);
        head_ = second;
        (second != nullptr ? (second->*Node).previous_ : tail_) = nullptr;
        --size_;
    }

    // The front leaves, and `element` comes to the back, in one. Not when empty.
    [[gnu::always_inline]] void rotate(T& element) {
        QueueNode<T>& node = element.*Node;
        COX_ASSERT(!node.linked_);
        T* const last = tail_;
        node.previous_ = last;
        node.linked_ = true;
        (last->*Node).next_ = &element;
        tail_ = &element;
        QueueNode<T>& front = head_->*Node;
        front.linked_ = false;
        head_ = std::exchange(front.next_, nullptr);
        (head_->*Node).previous_ = nullptr;
    }

    void remove(T& element) {
        QueueNode<T>& node = element.*Node;
        COX_ASSERT(node.linked_);
        T*& from_previous = node.previous_ != nullptr ? (node.previous_->*Node).next_ : head_;
        T*& from_next = node.next_ != nullptr ? (node.next_->*Node).previous_ : tail_;
        COX_ASSERT(from_previous == &element && from_next == &element);
        from_previous = node.next_;
        from_next = node.previous_;
        node.next_ = nullptr;
        node.previous_ = nullptr;
        node.linked_ = false;
        --size_;
    }

    class Iterator {
    public:
        explicit Iterator(T* element) : element_(element) {}
        T& operator*() const { return *element_; }
        Iterator& operator++() {
            element_ = (element_->*Node).next_;
            return *this;
        }
        friend bool operator==(Iterator, Iterator) = default;

    private:
        T* element_;
    };

    // Front to back. The element an iterator stands on must not be removed; for that, step with next()
    // beforehand.
    [[nodiscard]] Iterator begin() const { return Iterator(head_); }
    [[nodiscard]] Iterator end() const { return Iterator(nullptr); }

private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace cox::core
