// SPDX-License-Identifier: MIT
//
// The ring through which the kernel tells an agent which status lines to look at: layout, and the kernel's
// side of it.
//
//     entry u64:  63..32 lap = position / capacity + 1 (32 bits of it) | 31..0 slot (index of a status line)
//     position:   counts entries from the ring's first one on; 56 bits of it are kept, which never wrap
//     head u64:   in shared memory, written by the agent: every position below it has been released
//
// Many producers on any CPU, without a lock: reserve() takes a position, publish() fills it. The agent reads
// positions in order and tells a published entry from an old one by its lap, so a gap between the two steps
// of one producer delays it a moment and confuses nobody. The ring cannot overflow as long as no slot stands
// in it twice, which EventToken sees to.
//
// The kernel reads nothing back from the entries, and from the shared memory only the head, which it compares
// and never uses as an index. An agent that lies about it loses its own events.
//
// first_position: where this ring starts counting. A ring that takes the place of another under the same
// agent index starts at the other's tail(), with the head preset to it, so that tokens left from the old ring
// read as released.
//
// Atomics: an entry is stored with release by publish() and loaded with acquire by EventRingConsumer: whoever
// reads the entry sees what the producer did before, its token among it. tail_ only hands out numbers:
// relaxed.
#pragma once

#include <atomic>
#include <cstdint>

namespace cox::core {

// The arithmetic that both sides share. Capacity is a power of two.
struct EventRingShape {
    std::uint32_t capacity_log2 = 0;

    [[nodiscard]] constexpr std::uint64_t capacity() const { return std::uint64_t{1} << capacity_log2; }
    [[nodiscard]] constexpr std::uint64_t index(std::uint64_t position) const {
        return position & (capacity() - 1);
    }
    [[nodiscard]] constexpr std::uint32_t lap(std::uint64_t position) const {
        return static_cast<std::uint32_t>((position >> capacity_log2) + 1);
    }
    [[nodiscard]] constexpr std::uint64_t entry(std::uint64_t position, std::uint32_t slot) const {
        return std::uint64_t{lap(position)} << 32 | slot;
    }
};

// EntryAt: callable, index below capacity → std::atomic<std::uint64_t>& in the shared memory.
template <class EntryAt, EventRingShape Shape>
class EventRingProducer {
public:
    static_assert(Shape.capacity_log2 < 32);
    EventRingProducer(EntryAt entry_at, std::uint64_t first_position)
        : tail_(first_position), entry_at_(entry_at) {}

    [[nodiscard]] std::uint64_t reserve() { return tail_.fetch_add(1, std::memory_order_relaxed); }

    void publish(std::uint64_t position, std::uint32_t slot) {
        entry_at_(Shape.index(position)).store(Shape.entry(position, slot), std::memory_order_release);
    }

    // The next position. Exact once no producer is about.
    [[nodiscard]] std::uint64_t tail() const { return tail_.load(std::memory_order_relaxed); }

    // Whether the agent has something to read, or soon will, by the head it shows.
    [[nodiscard]] bool pending(std::uint64_t head) const { return head < tail(); }

private:
    std::atomic<std::uint64_t> tail_;
    EntryAt entry_at_;
};

}  // namespace cox::core
