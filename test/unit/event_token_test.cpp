// SPDX-License-Identifier: MIT
//
// The event protocol in every interleaving: posters and one agent, on memory that orders as x86 does, around
// the real post_event() and EventRingConsumer. Each fault that the protocol's comment warns of is then built
// in, and must be found.
#include "core/event_token.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "core/event_consumer.hpp"
#include "core/event_ring.hpp"
#include "support/tso_explorer.hpp"

using namespace cox::core;
using cox::test::TsoExplorer;
using Port = TsoExplorer::Port;
using Cells = TsoExplorer::Cells;

namespace {

constexpr std::uint32_t kSlot = 5;
constexpr EventRingShape kShape{.capacity_log2 = 1};

// One thread, two agents. Poster i writes kState + i; the agents' reading of it goes to kSeen + i.
enum Cell : std::size_t { kToken, kTail, kHead, kEntries, kState = 12, kSeen = 14 };
constexpr std::size_t kPerAgent = 4;  // tail, head, two entries

struct Token {
    Port& port;
    std::uint64_t load() { return port.load(kToken); }
    void store(std::uint64_t value) { port.store(kToken, value); }
    bool compare_exchange(std::uint64_t expected, std::uint64_t desired) {
        return port.compare_exchange(kToken, expected, desired);
    }
};

struct Ring {
    Port& port;
    std::size_t base;  // of this agent's cells
    std::uint64_t reserve() { return port.fetch_add(base + kTail, 1); }
    void publish(std::uint64_t position, std::uint32_t slot) {
        port.store(base + kEntries + kShape.index(position), kShape.entry(position, slot));
    }
};

// The agent's side, as EventRingConsumer uses it.
struct Head {
    Port& port;
    std::size_t base;
    bool fenced;
    std::uint64_t load() { return port.load(base + kHead); }
    void store(std::uint64_t position) { port.store(base + kHead, position); }
    void fence() {
        if (fenced) {
            port.fence();
        }
    }
};

struct EntryAt {
    Port& port;
    std::size_t base;
    struct Entry {
        Port& port;
        std::size_t cell;
        std::uint64_t load(std::memory_order) const { return port.load(cell); }
    };
    Entry operator()(std::uint64_t index) const { return {port, base + kEntries + index}; }
};

enum class Fault {
    kNone,
    kNoPosterFence,
    kPostBeforeState,
    kPublishBeforeToken,
    kNoAgentFence,
    kReadBeforeRelease
};

// post_event() with its last two steps exchanged.
template <class HeadOf>
void post_token_last(Token& token, std::uint32_t agent, Ring& ring, const HeadOf& head_of) {
    const std::uint64_t old = token.load();
    if (old == EventToken::kPosting ||
        (old != EventToken::kNone && EventToken::position_of(old) >= head_of(EventToken::agent_of(old))) ||
        !token.compare_exchange(old, EventToken::kPosting)) {
        return;
    }
    const std::uint64_t position = ring.reserve();
    ring.publish(position, kSlot);
    token.store(EventToken::pack(agent, position));
}

void post_once(Port& port, std::size_t poster, std::uint32_t agent, Fault fault) {
    Token token{port};
    Ring ring{port, agent * kPerAgent};
    const auto head_of = [&](std::uint32_t index) { return port.load(index * kPerAgent + kHead); };
    if (fault == Fault::kPostBeforeState) {
        post_event(token, agent, ring, kSlot, head_of);
    }
    port.store(kState + poster, 1);
    if (fault != Fault::kNoPosterFence) {
        port.fence();
    }
    if (fault == Fault::kPublishBeforeToken) {
        post_token_last(token, agent, ring, head_of);
    } else if (fault != Fault::kPostBeforeState) {
        post_event(token, agent, ring, kSlot, head_of);
    }
}

// Looks into the ring `looks` times; what it has not taken by then is judged at the end.
void consume(Port& port, std::size_t base, int looks, Fault fault) {
    const auto read_state = [&] {
        for (std::size_t poster = 0; poster < 2; ++poster) {
            if (port.load(kState + poster) != 0) {
                port.store(kSeen + poster, 1);
            }
        }
    };
    EventRingConsumer<EntryAt, kShape, Head> consumer({port, base, fault != Fault::kNoAgentFence},
                                                      {port, base});
    for (int look = 0; look < looks; ++look) {
        if (fault == Fault::kReadBeforeRelease) {
            if (consumer.peek()) {
                read_state();
                consumer.release();
            }
        } else if (consumer.take()) {
            read_state();
        }
    }
}

// Each change was seen, or an entry that is still in a ring will show it; and the slot stands in at most one
// place.
bool nothing_lost(const Cells& cells) {
    std::uint64_t standing = 0;
    for (const std::size_t base : {std::size_t{0}, kPerAgent}) {
        standing += cells[base + kTail] - cells[base + kHead];
    }
    return standing <= 1 && (standing == 1 || (cells[kSeen] == 1 && cells[kSeen + 1] == 1));
}

Cells fresh() {
    Cells cells{};
    cells[kToken] = EventToken::kNone;
    return cells;
}

bool one_agent(Fault fault) {
    TsoExplorer explorer(
        {[=](Port& port) { post_once(port, 0, 0, fault); }, [=](Port& port) { post_once(port, 1, 0, fault); },
         [=](Port& port) { consume(port, 0, 2, fault); }},
        nothing_lost);
    const bool held = explorer.holds(fresh());
    CHECK(explorer.ends() > 10);
    return held;
}

}  // namespace

TEST_CASE("event token: values") {
    static_assert(EventToken::agent_of(EventToken::pack(254, 7)) == 254);
    static_assert(EventToken::position_of(EventToken::pack(254, 7)) == 7);
    static_assert(EventToken::pack(254, (std::uint64_t{1} << 56) - 1) < EventToken::kPosting);
    CHECK(EventToken().load() == EventToken::kNone);
}

TEST_CASE("event token: two posters and an agent, every interleaving") { CHECK(one_agent(Fault::kNone)); }

TEST_CASE("event token: two posters to two agents, every interleaving") {
    TsoExplorer explorer({[](Port& port) { post_once(port, 0, 0, Fault::kNone); },
                          [](Port& port) { post_once(port, 1, 1, Fault::kNone); },
                          [](Port& port) { consume(port, 0, 1, Fault::kNone); },
                          [](Port& port) { consume(port, kPerAgent, 1, Fault::kNone); }},
                         nothing_lost);
    CHECK(explorer.holds(fresh()));
}

TEST_CASE("event token: every fault that the protocol warns of is found") {
    CHECK_FALSE(one_agent(Fault::kNoPosterFence));
    CHECK_FALSE(one_agent(Fault::kPostBeforeState));
    CHECK_FALSE(one_agent(Fault::kPublishBeforeToken));
    CHECK_FALSE(one_agent(Fault::kNoAgentFence));
    CHECK_FALSE(one_agent(Fault::kReadBeforeRelease));
}

TEST_CASE("event token: a head that lies, in either direction, makes no poster loop") {
    for (const std::uint64_t lie :
         {std::uint64_t{0}, std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()}) {
        const auto posts = [](std::size_t poster) {
            return [=](Port& port) {
                post_once(port, poster, 0, Fault::kNone);
                post_once(port, poster, 0, Fault::kNone);
            };
        };
        TsoExplorer explorer({posts(0), posts(1), [=](Port& port) { port.store(kHead, lie); }},
                             [](const Cells& cells) { return cells[kTail] <= 4; });
        CHECK(explorer.holds(fresh()));
    }
}
