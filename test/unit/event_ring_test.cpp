// SPDX-License-Identifier: MIT
#include "core/event_ring.hpp"

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <limits>
#include <span>
#include <thread>
#include <vector>

#include "core/assert.hpp"
#include "core/event_consumer.hpp"
#include "core/event_token.hpp"

using namespace cox::core;

namespace {

constexpr std::uint64_t kGone = std::numeric_limits<std::uint64_t>::max();

using Entries = std::span<std::atomic<std::uint64_t>>;

struct EntryAt {
    Entries entries;
    std::atomic<std::uint64_t>& operator()(std::uint64_t index) const {
        COX_ASSERT(index < entries.size());
        return entries[index];
    }
};

// Shared memory of one ring, and both sides of it.
template <std::uint32_t CapacityLog2>
struct SharedRing {
    static constexpr EventRingShape kShape{.capacity_log2 = CapacityLog2};

    std::atomic<std::uint64_t> head{0};
    std::array<std::atomic<std::uint64_t>, std::size_t{1} << CapacityLog2> entries{};

    [[nodiscard]] EventRingProducer<EntryAt, kShape> producer(std::uint64_t first = 0) {
        return {EntryAt{entries}, first};
    }
    [[nodiscard]] EventRingConsumer<EntryAt, kShape> consumer() { return {head, EntryAt{entries}}; }
};

}  // namespace

TEST_CASE("event ring: layout of an entry") {
    constexpr EventRingShape kShape{.capacity_log2 = 12};
    static_assert(kShape.capacity() == 4096);
    static_assert(kShape.entry(0, 7) == 0x1'0000'0007);
    static_assert(kShape.entry(4095, 0xffffffff) == 0x1'ffff'ffff);
    static_assert(kShape.entry(4096, 0) == 0x2'0000'0000);
    static_assert(kShape.index(4097) == 1);
    static_assert(kShape.lap((std::uint64_t{0xffffffff} << 12)) == 0);  // 32 bits of it
}

TEST_CASE("event ring: in order, over many laps, with nothing read twice") {
    SharedRing<2> ring;
    auto producer = ring.producer();
    auto consumer = ring.consumer();
    CHECK_FALSE(consumer.peek());
    CHECK_FALSE(producer.pending(ring.head));
    for (std::uint32_t round = 0; round < 1000; ++round) {
        for (std::uint32_t i = 0; i <= round % 4; ++i) {
            producer.publish(producer.reserve(), round * 4 + i);
        }
        CHECK(producer.pending(ring.head));
        for (std::uint32_t i = 0; i <= round % 4; ++i) {
            CHECK(consumer.peek() == round * 4 + i);
            CHECK(consumer.take() == round * 4 + i);
        }
        CHECK_FALSE(consumer.take());
        CHECK(ring.head == producer.tail());
        CHECK_FALSE(producer.pending(ring.head));
    }
}

TEST_CASE("event ring: a gap holds the reader up until it is filled") {
    SharedRing<2> ring;
    auto producer = ring.producer();
    auto consumer = ring.consumer();
    const std::uint64_t first = producer.reserve();
    const std::uint64_t second = producer.reserve();
    producer.publish(second, 2);
    CHECK_FALSE(consumer.take());
    CHECK(producer.pending(ring.head));
    producer.publish(first, 1);
    CHECK(consumer.take() == 1u);
    CHECK(consumer.take() == 2u);
}

TEST_CASE("event ring: a successor starts where the ring before it stood") {
    SharedRing<2> old_ring;
    auto old_producer = old_ring.producer();
    EventToken token;
    const auto old_head = [&](std::uint32_t) { return old_ring.head.load(); };
    CHECK(post_event(token, 0, old_producer, 3, old_head));
    CHECK_FALSE(post_event(token, 0, old_producer, 3, old_head));

    SharedRing<2> ring;
    auto producer = ring.producer(old_producer.tail());
    ring.head = old_producer.tail();
    auto consumer = ring.consumer();
    const auto head = [&](std::uint32_t) { return ring.head.load(); };
    CHECK(post_event(token, 0, producer, 3, head));  // the old entry reads as released
    CHECK(consumer.take() == 3u);
}

TEST_CASE("event token: stands in one ring at a time") {
    std::array<SharedRing<2>, 2> rings;
    auto first = rings[0].producer();
    auto second = rings[1].producer();
    std::array<bool, 2> gone{};
    const auto head_of = [&](std::uint32_t agent) { return gone[agent] ? kGone : rings[agent].head.load(); };
    EventToken token;
    CHECK(post_event(token, 0, first, 9, head_of));
    CHECK_FALSE(post_event(token, 1, second, 9, head_of));
    CHECK(rings[0].consumer().take() == 9u);
    CHECK(post_event(token, 1, second, 9, head_of));
    CHECK_FALSE(post_event(token, 0, first, 9, head_of));
    gone[1] = true;  // its agent has gone: the entry counts for nothing
    CHECK(post_event(token, 0, first, 9, head_of));
    token.store(EventToken::kPosting);
    CHECK_FALSE(post_event(token, 0, first, 9, head_of));
}

TEST_CASE("event ring: a consumer that lies about its head harms only itself") {
    SharedRing<2> ring;
    auto producer = ring.producer();
    std::array<EventToken, 4> tokens;
    const auto head_of = [&](std::uint32_t) { return ring.head.load(); };
    // Far ahead: every post goes through and overwrites, inside the bounds.
    for (const std::uint64_t lie : {kGone, kGone - 1, std::uint64_t{1} << 56, std::uint64_t{100000}}) {
        ring.head = lie;
        for (std::uint32_t i = 0; i < 100; ++i) {
            CHECK(post_event(tokens[i % 4], 0, producer, i % 4, head_of));
        }
        CHECK_FALSE(producer.pending(ring.head));
    }
    // Back to the start: every slot reads as standing, nothing is posted.
    ring.head = 0;
    for (std::uint32_t i = 0; i < 4; ++i) {
        CHECK_FALSE(post_event(tokens[i], 0, producer, i, head_of));
    }
    CHECK(producer.pending(ring.head));
    // Honest again: it goes on.
    ring.head = producer.tail();
    auto consumer = ring.consumer();
    CHECK_FALSE(consumer.take());
    CHECK(post_event(tokens[2], 0, producer, 2, head_of));
    CHECK(consumer.take() == 2u);
}

// Every change of every slot must be seen by an agent, and no ring may overflow: slots move between two
// agents' rings, and several threads change the same slot.
TEST_CASE("event ring: stress: many posters, two agents, no change unseen") {
    constexpr std::uint32_t kSlots = 16;
    constexpr int kPosters = 4;
    constexpr int kRounds = 200000;
    struct Slot {
        EventToken token;
        std::atomic<std::uint64_t> state{0};
        std::atomic<std::uint64_t> seen{0};
    };
    static std::array<Slot, kSlots> slots;
    static std::array<SharedRing<4>, 2> rings;
    static std::array producers{rings[0].producer(), rings[1].producer()};
    static std::atomic<int> running{kPosters};
    static std::atomic<bool> overflow{false};
    const auto head_of = [](std::uint32_t agent) {
        return rings[agent].head.load(std::memory_order_acquire);
    };

    std::vector<std::jthread> threads;
    for (int p = 0; p < kPosters; ++p) {
        threads.emplace_back([=] {
            for (int round = 0; round < kRounds; ++round) {
                const auto index = static_cast<std::uint32_t>(round * 5 + p * 3) % kSlots;
                const auto agent = static_cast<std::uint32_t>(round + p) % 2;
                Slot& slot = slots[index];
                slot.state.fetch_add(1, std::memory_order_relaxed);
                std::atomic_thread_fence(std::memory_order_seq_cst);
                post_event(slot.token, agent, producers[agent], index, head_of);
                // Tail read first: the head it is compared with is at least as new, so the difference errs to
                // the low side.
                const std::uint64_t tail = producers[agent].tail();
                const std::uint64_t head = head_of(agent);
                if (tail > head + kSlots) {
                    overflow = true;
                }
            }
            running.fetch_sub(1);
        });
    }
    const auto serve = [](std::size_t agent) {
        auto consumer = rings[agent].consumer();
        for (bool last = false; !last;) {
            last = running.load() == 0;
            while (const auto index = consumer.take()) {
                Slot& slot = slots.at(*index);
                const std::uint64_t state = slot.state.load(std::memory_order_relaxed);
                std::uint64_t seen = slot.seen.load(std::memory_order_relaxed);
                while (seen < state && !slot.seen.compare_exchange_weak(seen, state)) {
                }
            }
            std::this_thread::yield();
        }
    };
    threads.emplace_back(serve, 0);
    threads.emplace_back(serve, 1);
    threads.clear();
    CHECK_FALSE(overflow.load());
    std::uint64_t total = 0;
    for (const Slot& slot : slots) {
        CHECK(slot.seen.load() == slot.state.load());
        total += slot.state.load();
    }
    CHECK(total == std::uint64_t{kPosters} * kRounds);
}

TEST_CASE("event ring: stress: what was written before publishing is visible after the release") {
    constexpr std::uint32_t kRounds = 20000;
    static SharedRing<1> ring;
    static std::uint32_t payload = 0;  // not atomic: the thread sanitizer checks the hand-over both ways
    auto consumer = ring.consumer();
    std::jthread poster([] {
        auto producer = ring.producer();
        for (std::uint32_t round = 1; round <= kRounds; ++round) {
            payload = round;
            producer.publish(producer.reserve(), round);
            while (ring.head.load(std::memory_order_acquire) != round) {
                std::this_thread::yield();
            }
        }
    });
    bool right = true;
    for (std::uint32_t round = 1; round <= kRounds; ++round) {
        std::optional<std::uint32_t> slot;
        while (!(slot = consumer.peek())) {
            std::this_thread::yield();
        }
        right &= *slot == round && payload == round;
        consumer.release();
    }
    CHECK(right);
}
