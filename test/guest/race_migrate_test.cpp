// SPDX-License-Identifier: MIT
//
// Threads of several processes that agents preempt, and move from CPU to CPU, all the time keep what they have in their
// registers, floating-point control and YMM included, their FS base, their address space, and their ring.
#include "support/agents.hpp"
#include "support/float_control.hpp"
#include "support/observe.hpp"
#include "support/registers.hpp"

namespace {

using namespace test;
using abi::ThreadState;

constexpr std::uint64_t kEnough = 600;  // moves of all together; with one CPU, preemptions

// values[]
constexpr int kSelf = 0;     // slot of the thread
constexpr int kMoves = 1;    // how often it was on another CPU than before
constexpr int kWrong = 2;    // rounds after which a register was not what it had been
constexpr int kStray = 3;    // completions that were another's
constexpr int kControl = 4;  // rounds after which MXCSR or the x87 control word was not what it had been
constexpr int kBase = 5;     // or FS pointed elsewhere
constexpr int kStops = 6;    // how often it had been off its CPU

// What FS points to is the worker's Station (crew.cpp).
const Station* station_at_fs() {
    std::uint64_t ring = 0;
    asm volatile("movq %%fs:%c1, %0" : "=r"(ring) : "i"(offsetof(Station, ring_address)));
    return reinterpret_cast<const Station*>(ring - abi::kPageSize);
}

// Its registers hold its own numbers while it counts, and it is asked for them in between.
std::uint64_t count_and_check(Station& station, cap::Ring& ring) {
    auto& values = station.values;
    const cap::Thread self(abi::CapSlot::from_raw(values[kSelf].load()));
    std::uint32_t cpu = 0;
    std::uint32_t sequence = 0;
    for (std::uint64_t round = 1; station.order != Order::kExit; ++round) {
        const std::uint64_t mine = (self.slot().raw() << 20) + round;
        const Registers in = Registers::pattern(mine);
        const Control control = Control::pattern(mine * 0x9e3779b97f4a7c15 >> 40);
        control.set();
        const Registers out = kept(in, keep_through_loop, keep_through_loop_avx, 20'000);
        values[kWrong] += !(out == in);
        values[kControl] += !(Control::now() == control);
        values[kBase] += station_at_fs() != &station;
        const auto answer = ring.call(cap::submission(abi::Op::kNop, self.slot(), 0, mine));
        values[kStray] += !answer || *answer != static_cast<std::uint32_t>(mine);
        const auto status = self.status();
        values[kMoves] += status && std::exchange(cpu, status->word.cpu()) != status->word.cpu();
        values[kStops] +=
            status && std::exchange(sequence, status->word.sequence()) != status->word.sequence();
        ++station.beats;
    }
    return 0;
}

std::uint64_t sum(Crew& crew, int value) {
    std::uint64_t all = 0;
    for (const Worker& worker : crew.workers()) {
        all += worker.station->values[static_cast<std::size_t>(value)];
    }
    return all;
}

void registers_and_ring(Case& t) {
    Agents agents(t, Manner::kChaos);
    Crew one(t);
    Crew two(t);
    Crew three(t);
    std::uint32_t number = 0;
    for (Crew* const crew : {&one, &two, &three}) {
        for (std::uint32_t i = 0; i <= t.cpus() / 2; ++i) {
            const Worker& worker = crew->add({.main = count_and_check, .first_cpu = number++ % t.cpus()});
            const auto self = crew->process().give(worker.thread.slot(), abi::kRead);
            REQUIRE_OK(t, self);
            worker.station->values[kSelf] = self->raw();
            REQUIRE_OK(t, worker.thread.start());
        }
    }
    const auto count = [&](int value) { return sum(one, value) + sum(two, value) + sum(three, value); };
    const int wanted = t.cpus() > 1 ? kMoves : kStops;
    REQUIRE(t, eventually(t.env.clock, [&] { return count(wanted) >= kEnough; }, 3 * patience_ns));
    std::uint64_t rounds = 0;
    for (Crew* const crew : {&one, &two, &three}) {
        for (const Worker& worker : crew->workers()) {
            worker.order(Order::kExit);
            REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
            REQUIRE(t, worker.station->values[static_cast<std::size_t>(wanted)] > 0);
            rounds += worker.beats();
        }
        REQUIRE_EQUAL(t, sum(*crew, kWrong), 0);
        REQUIRE_EQUAL(t, sum(*crew, kControl), 0);
        REQUIRE_EQUAL(t, sum(*crew, kBase), 0);
        REQUIRE_EQUAL(t, sum(*crew, kStray), 0);
    }
    t.env.log.print("race: rounds={} moves={} stops={} avx={}", rounds, count(kMoves), count(kStops),
                    avx_is_on());
    REQUIRE_EQUAL(t, agents.accepted_twice(), 0);
}

constexpr Entry kCases[] = {
    {"registers_and_ring", registers_and_ring},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_migrate", kCases); }
