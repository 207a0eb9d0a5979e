// SPDX-License-Identifier: MIT
//
// Lines of the status table that one thread after the other uses, how threads end, and a server that writes
// nonsense wherever it may write.
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

// A line is used again once nobody refers to its thread: with a new generation, and a sequence number that
// goes on.
void line_is_used_again(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Worker& worker = crew.add();
    int again = 0;
    for (int i = 0; i < 300; ++i) {
        const abi::ThreadRef old_ref = worker.ref;
        REQUIRE_OK(t, worker.thread.start());
        const std::uint32_t sequence = server.line(worker).word.sequence();
        REQUIRE_OK(t, worker.thread.kill(0));
        REQUIRE_ERROR(t, server.commit(worker, sequence, 0), Error::kGone);
        crew.renew(worker);
        REQUIRE(t, !t.failed());
        REQUIRE_ERROR(t, server.domain().commit(old_ref, sequence, 0, 0, 0), Error::kStaleRef);
        if (worker.ref.index != old_ref.index) {
            continue;
        }
        ++again;
        const Line line = server.line(worker);
        REQUIRE_EQUAL(t, worker.ref.generation, old_ref.generation + 1);
        REQUIRE(t, line.ref == worker.ref);
        REQUIRE_EQUAL(t, line.word.state(), ThreadState::kCreated);
        REQUIRE(t, line.word.sequence() > sequence);
        REQUIRE_EQUAL(t, line.wakes, 0);
        REQUIRE_EQUAL(t, line.runtime_ns, 0);
        // The sequence number that was right for the line's last thread is wrong for this one.
        REQUIRE_OK(t, worker.thread.start());
        REQUIRE_ERROR(t, server.commit(worker, sequence, 0), Error::kStaleSequence);
        REQUIRE_OK(t, worker.thread.kill(0));
        crew.renew(worker);
    }
    REQUIRE(t, again > 0);
}

std::uint64_t fault(Station&, cap::Ring&) {
    asm volatile("ud2");
    return 0;
}

void causes_of_an_end(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const std::uint32_t cpu = last_cpu(t);
    const Worker& exits = crew.add({.order = Order::kExit});
    const Worker& faults = crew.add({.main = fault});
    const Worker& running = crew.add();
    const Worker& queued = crew.add();
    const Worker& waiting = crew.add({.order = Order::kWait});
    struct Expected {
        const Worker& worker;
        Cause cause;
        bool killed;
    };
    const Expected all[] = {{exits, Cause::kExited, false},
                            {faults, Cause::kFaulted, false},
                            {waiting, Cause::kKilled, true},
                            {running, Cause::kKilled, true},
                            {queued, Cause::kKilled, true}};
    for (const Expected& each : all) {
        REQUIRE_OK(t, server.start(each.worker, cpu));
    }
    REQUIRE(t, comes_to(t, waiting, ThreadState::kWaiting));
    REQUIRE(t, makes_progress(t, running));
    for (const Expected& each : all) {
        server.forget();
        if (each.killed) {
            REQUIRE(t, server.line(each.worker).word.state() != ThreadState::kGone);
            REQUIRE_OK(t, each.worker.thread.kill(9));
            REQUIRE(t, becomes(t, server, each.worker, ThreadState::kGone));
        }
        REQUIRE(t, comes_to(t, each.worker, ThreadState::kGone));
        REQUIRE_EQUAL(t, server.line(each.worker).word.cause(), each.cause);
        REQUIRE_OK(t, each.worker.thread.kill(9));  // once more does nothing
        REQUIRE_EQUAL(t, server.line(each.worker).word.cause(), each.cause);
    }
}

void take_and_look(Case& t, DomainServer& server, std::uint32_t index, Line& before) {
    if (!server.heard(index)) {
        return;
    }
    const Line now = server.line(index);
    const auto progress = static_cast<std::int32_t>(now.word.sequence() - before.word.sequence());
    REQUIRE(t, progress >= 0);
    REQUIRE(t, now.ref.generation >= before.ref.generation);
    REQUIRE(t, now.ref != before.ref || before.word.state() != ThreadState::kGone ||
                   now.word.state() == ThreadState::kGone || now.word.state() == ThreadState::kFree);
    before = now;
}

void do_something(Case& t, DomainServer& server, Crew& crew, Worker& worker, Random& random) {
    const auto cpu = static_cast<std::uint32_t>(random.below(t.cpus()));
    switch (worker.state()) {
        case ThreadState::kCreated:
            (void)(random.one_in(4) ? worker.thread.kill(0) : worker.thread.start());
            break;
        case ThreadState::kUnplaced:
            (void)(random.one_in(3) ? worker.thread.kill(0) : server.place(worker, cpu));
            break;
        case ThreadState::kGone: crew.renew(worker); break;
        default: (void)worker.thread.kill(0); break;
    }
}

// What an event leads to is never older than what an earlier event of that line led to, and each thread's end
// is told, at the latest when the line's next thread is.
void nothing_goes_back(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    Random random(t.seed);
    static std::array<Line, abi::kMaxThreads> seen;
    constexpr int kWorkers = 6;
    for (int i = 0; i < kWorkers; ++i) {
        crew.add();
    }
    for (int i = 0; i < 600 && !t.failed(); ++i) {
        do_something(t, server, crew, crew.workers()[random.below(kWorkers)], random);
        const Worker& worker = crew.workers()[random.below(kWorkers)];
        take_and_look(t, server, worker.ref.index, seen[worker.ref.index]);
    }
    for (const Worker& worker : crew.workers()) {
        const std::uint32_t index = worker.ref.index;
        (void)worker.thread.kill(0);
        REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
        const auto end_is_told = [&] {
            take_and_look(t, server, index, seen[index]);
            return seen[index].ref == worker.ref && seen[index].word.state() == ThreadState::kGone;
        };
        REQUIRE(t, eventually(t.env.clock, end_is_told));
    }
}

// The domain still works.
void all_is_well(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const Worker& worker = crew.add({.first_cpu = cpu});
        REQUIRE_OK(t, worker.thread.start());
        REQUIRE(t, server.heard(worker));
        REQUIRE_OK(t, server.place(worker, cpu));
        REQUIRE(t, makes_progress(t, worker));
    }
}

// A head that lies loses events for the liar and harms nobody else.
void nonsense_in_the_head(Case& t) {
    {
        DomainServer server(t);
        Crew crew(t);
        const Worker& worker = crew.add();
        REQUIRE_OK(t, worker.thread.start());
        std::atomic<std::uint64_t>& head = server.agent(0).head();
        const std::uint64_t right = head.load();
        constexpr std::uint64_t kNonsense[] = {
            0, 1, ~0ULL, ~0ULL - 1, 1ULL << 56, (1ULL << 56) - 1, 1ULL << 63, 4096};
        for (const std::uint64_t wrong : kNonsense) {
            head.store(wrong);
            for (int i = 0; i < 100; ++i) {
                REQUIRE_ERROR(t, server.commit(worker, 0, 0), Error::kStaleSequence);
            }
            REQUIRE_OK(t, server.place(worker, last_cpu(t)));
            REQUIRE(t, makes_progress(t, worker));
            REQUIRE_OK(t, server.place(worker, 0, abi::kCommitRecall));
            REQUIRE(t, comes_to(t, worker, ThreadState::kUnplaced));
        }
        head.store(right + 5000);  // more than was ever posted
        REQUIRE_ERROR(t, server.commit(worker, 0, 0), Error::kStaleSequence);
    }
    all_is_well(t);
}

void nonsense_in_the_ring(Case& t) {
    {
        DomainServer server(t);
        Crew crew(t);
        Random random(t.seed);
        const Worker& worker = crew.add();
        REQUIRE_OK(t, worker.thread.start());
        auto* const words = reinterpret_cast<std::atomic<std::uint64_t>*>(server.agent(0).ring_address);
        constexpr std::uint64_t kWords = abi::kEventRingPages * abi::kPageSize / 8;
        for (int round = 0; round < 20; ++round) {
            for (std::uint64_t i = 0; i < kWords; ++i) {
                words[i].store(random.next(), std::memory_order_relaxed);
            }
            for (int i = 0; i < 20; ++i) {
                REQUIRE_ERROR(t, server.commit(worker, 0, 0), Error::kStaleSequence);
            }
        }
        REQUIRE_OK(t, server.place(worker, last_cpu(t)));
        REQUIRE(t, makes_progress(t, worker));
    }
    all_is_well(t);
}

constexpr Entry kCases[] = {
    {"line_is_used_again", line_is_used_again},     {"causes_of_an_end", causes_of_an_end},
    {"nothing_goes_back", nothing_goes_back},       {"nonsense_in_the_head", nonsense_in_the_head},
    {"nonsense_in_the_ring", nonsense_in_the_ring},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_slots", kCases); }
