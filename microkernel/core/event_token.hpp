// SPDX-License-Identifier: MIT
//
// EventToken: says for one slot (a thread, a CPU) whether it stands in an event ring, and where, so that it
// stands in at most one ring, at most once. post_event() is the only way into a ring; it is wait-free and may
// be called on any CPU.
//
// Poster and agent each write, fence, and read what the other wrote; so at least one sees the other:
//     poster: change the state; full fence; post_event: read the token, and the head of the ring it names
//     agent:  store head + 1 (release the entry); full fence; read the state
//
// post_event posts nothing when an entry not yet released covers the change. The agent sees the change, for:
// - The token names (agent, position), and the position is not below the head read: the store that releases
//   it comes after that read, and the agent's read of the state after that store, with fences on both sides.
// - The token says kPosting: another poster is between its two stores, token then entry. Reading the token
//   comes before that store, which comes before the publishing, which comes before the agent's reading,
//   releasing, fence, and reading of the state. So the token must be stored before the entry is published:
//   else the entry might have been read and released while the token still says kPosting.
// - The CAS fails: another poster has changed the token since it was read; the same chain leads through that
//   poster's entry. So nobody needs to try again, and nothing that an agent writes can make a poster loop.
// So others rely on an entry from kPosting on. If its agent is lost before it is published, it goes where nobody reads; a caller
// whose agents come and go must look, after publishing and a full fence, whether its position will be read, and else post again.
//
// Atomics: the caller's seq_cst fence pairs with EventRingConsumer::release(). The token carries no data: it
// is stored relaxed, ordered before publish() by that one's release. The head is read after the token, whose
// load acquires.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace cox::core {

class EventToken {
public:
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    static constexpr std::uint64_t kPosting = kNone - 1;
    static constexpr std::uint32_t kMaxAgents = 255;  // index 255 is in the two values above
    static constexpr std::uint32_t kPositionBits = 56;

    static constexpr std::uint64_t pack(std::uint32_t agent, std::uint64_t position) {
        return std::uint64_t{agent} << kPositionBits | position;
    }
    static constexpr std::uint32_t agent_of(std::uint64_t value) {
        return static_cast<std::uint32_t>(value >> kPositionBits);
    }
    static constexpr std::uint64_t position_of(std::uint64_t value) {
        return value & ((std::uint64_t{1} << kPositionBits) - 1);
    }

    [[nodiscard]] std::uint64_t load() const { return value_.load(std::memory_order_acquire); }
    void store(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
    [[nodiscard]] bool compare_exchange(std::uint64_t expected, std::uint64_t desired) {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_acq_rel,
                                              std::memory_order_relaxed);
    }

private:
    std::atomic<std::uint64_t> value_{kNone};
};

// Posts `slot` to agent `agent`'s ring unless the slot stands in a ring already; returns where, if it did. The
// caller has changed the state and executed a seq_cst fence. head_of(agent) gives the head that this agent
// shows, and the largest value for an agent that is gone. While it runs, `ring` and the heads must stay in
// place. Token and Ring are EventToken and EventRingProducer, or what a test puts in their place.
template <class Token, class Ring, class HeadOf>
std::optional<std::uint64_t> post_event(Token& token, std::uint32_t agent, Ring& ring, std::uint32_t slot,
                                        const HeadOf& head_of) {
    const std::uint64_t old = token.load();
    if (old == EventToken::kPosting) {
        return std::nullopt;
    }
    if (old != EventToken::kNone && EventToken::position_of(old) >= head_of(EventToken::agent_of(old))) {
        return std::nullopt;
    }
    if (!token.compare_exchange(old, EventToken::kPosting)) {
        return std::nullopt;
    }
    const std::uint64_t position = ring.reserve();
    token.store(EventToken::pack(agent, position));
    ring.publish(position, slot);
    return position;
}

}  // namespace cox::core
