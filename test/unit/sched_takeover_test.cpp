// SPDX-License-Identifier: MIT
//
// What is at a CPU when somebody takes over is placed again: it runs with a slice that another one has chosen.
#include <catch2/catch.hpp>
#include <memory>

#include "support/sched_crew.hpp"

using namespace test;
using abi::ThreadState;

namespace {

struct Takeover {
    FakeKernel kernel{0b11};
    std::unique_ptr<sched::PolicyStorage> first_storage = std::make_unique<sched::PolicyStorage>();
    std::unique_ptr<sched::PolicyStorage> next_storage = std::make_unique<sched::PolicyStorage>();
    sched::Policy& first = sched::find_policy("fifo")->make(*first_storage);
    sched::Policy& next = sched::find_policy("round_robin")->make(*next_storage);
    Crew crew{kernel, first};

    std::uint32_t started() {
        const std::uint32_t line = kernel.create();
        kernel.start(line);
        return line;
    }
    std::uint32_t sequence(std::uint32_t line) const { return kernel.word(line).sequence(); }
};

// Recalled: unplaced, with its event; then committed.
constexpr std::uint32_t kPlacedAgain = 2;

}  // namespace

TEST_CASE("sched takeover: what the kernel has placed is placed again by whoever adopts it") {
    Takeover t;
    const std::uint32_t line = t.started();
    t.kernel.place_by_kernel(line, 1);
    REQUIRE(t.kernel.word(line).placed_by_kernel());
    CHECK(t.crew.dispatcher().adopt(0) == 1);
    REQUIRE(t.crew.settle());
    CHECK(t.crew.complaint().empty());
    CHECK(t.kernel.word(line).state() == ThreadState::kRunning);
    CHECK(!t.kernel.word(line).placed_by_kernel());
}

TEST_CASE("sched takeover: what the old policy has placed is placed again by the new one, once") {
    Takeover t;
    const std::uint32_t one = t.started();
    const std::uint32_t two = t.started();
    REQUIRE(t.crew.settle());
    const std::uint32_t before[] = {t.sequence(one), t.sequence(two)};
    t.crew.set_policy(t.next);
    REQUIRE(t.crew.settle());
    CHECK(t.crew.complaint().empty());
    CHECK(t.sequence(one) == before[0] + kPlacedAgain);
    CHECK(t.sequence(two) == before[1] + kPlacedAgain);
    REQUIRE(t.crew.settle());
    CHECK(t.sequence(one) == before[0] + kPlacedAgain);
}

TEST_CASE(
    "sched takeover: a commit of the old policy that is still on its way is recalled when it has arrived") {
    Takeover t;
    REQUIRE(t.crew.settle());
    const std::uint32_t line = t.started();
    const std::uint32_t before = t.sequence(line);
    t.crew.decide(0);  // of the event
    t.crew.set_policy(t.next);
    t.crew.decide(1);
    t.crew.send(1);
    CHECK(t.sequence(line) == before);  // nobody has touched it
    t.crew.send(0);
    CHECK(t.kernel.word(line).state() == ThreadState::kRunning);
    CHECK(t.sequence(line) == before + 1);
    REQUIRE(t.crew.settle());
    CHECK(t.crew.complaint().empty());
    CHECK(t.kernel.word(line).state() == ThreadState::kRunning);
    CHECK(t.sequence(line) == before + 1 + kPlacedAgain);
}
