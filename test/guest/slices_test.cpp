// SPDX-License-Identifier: MIT
//
// Slices: armed only while another thread waits for the CPU, given back with kSliceEnd, never shorter than
// kMinSliceNs; and the kernel's own slice beside threads that it has placed.
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::ThreadState;

// values[], set by the case but the last two
constexpr int kDuration = 0;  // ticks
constexpr int kCpu = 1;
constexpr int kMachine = 2;  // slots in the crew's table
constexpr int kTest = 3;
constexpr int kDone = 4;
constexpr int kInterrupts = 5;  // how many came meanwhile
constexpr int kFailed = 6;

// Once the test waits, computes for a while and counts the timer interrupts of its CPU meanwhile.
std::uint64_t count_interrupts(Station& station, cap::Ring& ring) {
    const auto slot = [&](int i) { return abi::CapSlot::from_raw(station.values[i].load()); };
    const auto test_waits = [&] {
        const auto status = cap::Thread(slot(kTest)).status();
        return !status || status->word.state() == ThreadState::kWaiting;
    };
    while (!test_waits()) {
    }
    const cap::Machine machine(slot(kMachine));
    const auto cpu = static_cast<std::uint32_t>(station.values[kCpu].load());
    const auto before = machine.cpu_stats(cpu);
    delay_ticks(station.values[kDuration].load());
    const auto after = machine.cpu_stats(cpu);
    station.values[kFailed] = !before || !after;
    if (before && after) {
        station.values[kInterrupts] = after->timer_interrupts - before->timer_interrupts;
    }
    (void)cap::Notification(slot(kDone)).signal(1);
    return obey(station, ring);
}

// With its slice long over, but nobody else there: not one interrupt of the timer. (On CPU 0 the test is
// there at first.)
void alone_without_interrupts(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const auto done = t.env.process.create_notification();
    REQUIRE_OK(t, done);
    const auto machine = crew.process().give(t.machine.slot(), abi::kRead);
    const auto self = crew.process().give(t.env.thread.slot(), abi::kRead);
    const auto bell = crew.process().give(done->slot(), abi::kWrite);
    REQUIRE_OK(t, machine);
    REQUIRE_OK(t, self);
    REQUIRE_OK(t, bell);
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const Worker& worker = crew.add({.main = count_interrupts, .order = Order::kWait});
        auto& values = worker.station->values;
        values[kDuration] = t.env.clock.ticks(50 * kMillisecond);
        values[kCpu] = cpu;
        values[kMachine] = machine->raw();
        values[kTest] = self->raw();
        values[kDone] = bell->raw();
        REQUIRE_OK(t, server.start(worker, cpu, cpu == 0 ? abi::kNoSlice : kMillisecond));
        REQUIRE_OK(t, done->wait(t.env.ring));  // no time-out: that would be an interrupt
        REQUIRE_EQUAL(t, values[kFailed].load(), 0);
        REQUIRE_EQUAL(t, values[kInterrupts].load(), 0);
        REQUIRE(t, comes_to(t, worker, ThreadState::kWaiting));
    }
    done->drop();
}

// Puts two spinning threads back on their CPU whenever a slice ends, until each has had `turns` slices; no
// turn may have been shorter than `least_ns`.
void take_turns(Case& t, std::uint64_t slice_ns, std::uint64_t least_ns, int turns) {
    DomainServer server(t);
    Crew crew(t);
    struct Player {
        const Worker& worker;
        std::uint64_t runtime_ns = 0;
        int turns = 0;
    };
    Player players[] = {{crew.add()}, {crew.add()}};
    for (const Player& player : players) {
        REQUIRE_OK(t, server.start(player.worker, last_cpu(t), slice_ns));
    }
    const auto all_done = [&] {
        for (Player& player : players) {
            const Line line = server.line(player.worker);
            if (line.word.state() != ThreadState::kUnplaced) {
                continue;
            }
            if (line.word.cause() != Cause::kSliceEnd || line.runtime_ns - player.runtime_ns + 1 < least_ns ||
                !eventually(t.env.clock, [&] { return server.heard(player.worker); }) ||
                !server.place(player.worker, last_cpu(t), 0, slice_ns)) {
                t.fail("turn {}: cause {}, ran for {} ns", player.turns,
                       static_cast<std::uint32_t>(line.word.cause()), line.runtime_ns - player.runtime_ns);
                return true;
            }
            player.runtime_ns = line.runtime_ns;
            ++player.turns;
        }
        return players[0].turns >= turns && players[1].turns >= turns;
    };
    REQUIRE(t, eventually(t.env.clock, all_done));
}

void two_threads_alternate(Case& t) { take_turns(t, 2 * kMillisecond, 2 * kMillisecond, 10); }

void shortest_slice(Case& t) { take_turns(t, 1, abi::kMinSliceNs, 50); }

// The slice of a thread alone is not armed; when somebody comes, it may be over already.
void armed_when_another_comes(Case& t) {
    if (t.cpus() == 1) {
        return;  // this thread is another
    }
    DomainServer server(t);
    Crew crew(t);
    const Worker& first = crew.add();
    const Worker& second = crew.add();
    const std::uint32_t cpu = last_cpu(t);
    REQUIRE_OK(t, server.start(first, cpu, kMillisecond));
    REQUIRE(t, makes_progress(t, first));
    server.forget();
    REQUIRE(t, throughout(t.env.clock, 20 * kMillisecond, [&] { return !server.heard(first); }));
    REQUIRE_EQUAL(t, server.line(first).word.state(), ThreadState::kRunning);
    REQUIRE_OK(t, server.start(second, cpu, kMillisecond));
    REQUIRE(t, becomes(t, server, first, ThreadState::kUnplaced));
    REQUIRE_EQUAL(t, server.line(first).word.cause(), Cause::kSliceEnd);
    REQUIRE(t, makes_progress(t, second));
}

// Without a slice, and with the longest there is, a thread keeps its CPU though another waits.
void keeps_the_cpu(Case& t) {
    if (t.cpus() == 1) {
        return;  // the kernel's own slice holds where this thread waits
    }
    constexpr std::uint64_t kSlices[] = {abi::kNoSlice, ~0ULL, 1ULL << 63, 1ULL << 62, 1ULL << 40};
    for (const std::uint64_t slice : kSlices) {
        DomainServer server(t);
        Crew crew(t);
        const Worker& first = crew.add();
        const Worker& second = crew.add();
        REQUIRE_OK(t, server.start(first, last_cpu(t), slice));
        REQUIRE(t, makes_progress(t, first));
        REQUIRE_OK(t, server.start(second, last_cpu(t), kMillisecond));
        REQUIRE(t, throughout(t.env.clock, 15 * kMillisecond, [&] { return second.beats() == 0; }));
        REQUIRE_EQUAL(t, server.line(first).word.state(), ThreadState::kRunning);
        first.order(Order::kWait);
        REQUIRE(t, makes_progress(t, second));
    }
}

// This thread is placed by the kernel: beside it the kernel's slice holds for those that have none, and they
// stay placed.
void beside_a_system_thread(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, server.start(worker, 0));
    server.forget();
    const std::uint32_t sequence = server.line(worker).word.sequence();
    for (int i = 0; i < 5; ++i) {
        REQUIRE(t, makes_progress(t, worker));
        sleep_ns(100 * kMicrosecond);
    }
    REQUIRE_EQUAL(t, server.line(worker).word.cause(), Cause::kFallbackSlice);
    REQUIRE(t, is_placed(server.line(worker).word));
    REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence);
    REQUIRE(t, !server.heard(worker));
}

constexpr Entry kCases[] = {
    {"alone_without_interrupts", alone_without_interrupts},
    {"two_threads_alternate", two_threads_alternate},
    {"shortest_slice", shortest_slice},
    {"armed_when_another_comes", armed_when_another_comes},
    {"keeps_the_cpu", keeps_the_cpu},
    {"beside_a_system_thread", beside_a_system_thread},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "slices", kCases); }
