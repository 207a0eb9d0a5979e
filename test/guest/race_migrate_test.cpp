// SPDX-License-Identifier: MIT
//
// Threads that agents move from CPU to CPU all the time keep what they have in their registers, and their
// ring.
#include "support/agents.hpp"
#include "support/observe.hpp"
#include "support/registers.hpp"

namespace {

using namespace test;
using abi::ThreadState;

constexpr std::uint64_t kMovesEach = 30;

// values[]
constexpr int kSelf = 0;   // slot of the thread
constexpr int kMoves = 1;  // how often it was on another CPU than before
constexpr int kWrong = 2;  // rounds after which a register was not what it had been
constexpr int kStray = 3;  // completions that were another's

// Its registers hold its own numbers while it counts, and it is asked for them in between.
std::uint64_t count_and_check(Station& station, cap::Ring& ring) {
    auto& values = station.values;
    const cap::Thread self(abi::CapSlot::from_raw(values[kSelf].load()));
    std::uint32_t cpu = 0;
    for (std::uint64_t round = 1; station.order != Order::kExit; ++round) {
        const std::uint64_t mine = (self.slot().raw() << 20) + round;
        const Registers in = Registers::pattern(mine);
        Registers out{};
        keep_through_loop(&in, &out, 100'000);
        values[kWrong] += !(out == in);
        const auto answer = ring.call(cap::submission(abi::Op::kNop, self.slot(), 0, mine));
        values[kStray] += !answer || *answer != mine;
        const auto status = self.status();
        values[kMoves] += status && std::exchange(cpu, status->word.cpu()) != status->word.cpu();
        ++station.beats;
    }
    return 0;
}

void registers_and_ring(Case& t) {
    Agents agents(t, Manner::kChaos);
    Crew crew(t);
    const std::uint32_t count = 2 * t.cpus() + 1;
    for (std::uint32_t i = 0; i < count; ++i) {
        const Worker& worker = crew.add({.main = count_and_check, .first_cpu = i % t.cpus()});
        const auto self = crew.process().give(worker.thread.slot(), abi::kRead);
        REQUIRE_OK(t, self);
        worker.station->values[kSelf] = self->raw();
        REQUIRE_OK(t, worker.thread.start());
    }
    const auto moves = [&] {
        std::uint64_t sum = 0;
        for (const Worker& worker : crew.workers()) {
            sum += worker.station->values[kMoves];
        }
        return sum;
    };
    REQUIRE(t, eventually(t.env.clock, [&] { return moves() > count * kMovesEach; }, 3 * kPatienceNs));
    std::uint64_t rounds = 0;
    for (const Worker& worker : crew.workers()) {
        worker.order(Order::kExit);
        REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
        REQUIRE_EQUAL(t, worker.station->values[kWrong].load(), 0);
        REQUIRE_EQUAL(t, worker.station->values[kStray].load(), 0);
        rounds += worker.beats();
    }
    t.env.log.print("race: rounds={} moves={}", rounds, moves());
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
}

constexpr Entry kCases[] = {
    {"registers_and_ring", registers_and_ring},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_migrate", kCases); }
