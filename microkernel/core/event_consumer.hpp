// SPDX-License-Identifier: MIT
//
// EventRingConsumer: the agent's side of an event ring, in user space. One consumer per ring.
//
// take() reads the entry at the head, releases it, and executes a full fence; only then may the caller read
// the status line that the slot names. A change that the kernel makes after the release posts the slot again;
// one made before it is seen by that read. Reading the line first and releasing afterwards would lose the
// changes in between.
//
// Atomics: entry, acquire: pairs with EventRingProducer::publish(). head, release then fence: pairs with the
// poster's fence and its reading of the head in post_event().
#pragma once

#include "core/event_ring.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace cox::core {

// The head in shared memory.
class EventHead {
public:
    EventHead(std::atomic<std::uint64_t>& head) : head_(head) {}  // implicit

    [[nodiscard]] std::uint64_t load() const { return head_.load(std::memory_order_relaxed); }
    void store(std::uint64_t position) { head_.store(position, std::memory_order_release); }
    static void fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

private:
    std::atomic<std::uint64_t>& head_;
};

// EntryAt as for EventRingProducer; Head is EventHead, or what a test puts in its place.
template <class EntryAt, EventRingShape Shape, class Head = EventHead>
class EventRingConsumer {
public:
    // Goes on where `head` stands, so a server that takes over a ring starts at what its predecessor had not
    // released.
    EventRingConsumer(Head head, EntryAt entry_at)
        : head_(head), position_(head.load()), entry_at_(entry_at) {}

    // The slot at the head, left in place; nullopt when nothing is published there.
    [[nodiscard]] std::optional<std::uint32_t> peek() const {
        const std::uint64_t position = position_;
        const std::uint64_t entry = entry_at_(Shape.index(position)).load(std::memory_order_acquire);
        if (static_cast<std::uint32_t>(entry >> 32) != Shape.lap(position)) {
            return std::nullopt;
        }
        return static_cast<std::uint32_t>(entry);
    }

    // After a peek that found something.
    void release() {
        ++position_;
        head_.store(position_);
        head_.fence();
    }

    [[nodiscard]] std::optional<std::uint32_t> take() {
        const auto slot = peek();
        if (slot) {
            release();
        }
        return slot;
    }

    [[nodiscard]] std::uint64_t position() const { return position_; }

private:
    Head head_;
    std::uint64_t position_;
    EntryAt entry_at_;
};

}  // namespace cox::core
