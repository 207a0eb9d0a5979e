// SPDX-License-Identifier: MIT
//
// Threads: creating, starting, killing: docs/abi.md, "Thread".
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::ThreadState;

constexpr std::uint64_t kPage = abi::kPageSize;

std::uint64_t end_at_once(cap::Ring&, void*) { return 0; }

std::uint64_t wait_for_ever(cap::Ring& ring, void*) {
    (void)ring.submit_and_wait(1);
    return 0;
}

std::uint64_t spin(cap::Ring&, void* argument) {
    for (auto& beats = *static_cast<std::atomic<std::uint64_t>*>(argument);;) {
        beats.fetch_add(1, std::memory_order_relaxed);
    }
}

// cap_enter(1, kForever), with no stack.
[[gnu::naked]] void enter_and_wait() {
    asm volatile("movl $1, %eax; movl $1, %edi; movq $-1, %rsi; syscall; ud2");
}

void refused_parameters(Case& t) {
    const std::uint64_t ring = MUST(t, t.env.space.reserve(abi::kRingPages));
    const abi::ThreadParams good{.entry = 0x40'0000,
                                 .stack = 0,
                                 .argument = 0,
                                 .ring_address = ring,
                                 .fs_base = 0,
                                 .affinity = 0,
                                 .label = 0,
                                 .first_cpu = 0};
    struct Row {
        std::uint64_t abi::ThreadParams::* field;
        std::uint64_t value;
        Error error;
    };
    using Params = abi::ThreadParams;
    const Row rows[] = {
        {&Params::entry, abi::kUserTop, Error::kBadAddress},
        {&Params::entry, 0xffff'ffff'8020'0000, Error::kBadAddress},
        {&Params::stack, abi::kUserTop, Error::kBadAddress},
        {&Params::stack, ~0ull, Error::kBadAddress},
        {&Params::fs_base, abi::kUserTop, Error::kBadAddress},
        {&Params::fs_base, 0x8000'0000'0000'0000, Error::kBadAddress},
        {&Params::first_cpu, t.cpus(), Error::kBadArgument},
        {&Params::first_cpu, ~0ull, Error::kBadArgument},
        {&Params::affinity, std::uint64_t{1} << 63, Error::kBadArgument},
        {&Params::affinity, ~((2ull << (t.cpus() - 1)) - 1), Error::kBadArgument},
        {&Params::ring_address, ring + 8, Error::kMisaligned},
        {&Params::ring_address, (ring + 8) | abi::kRingInPlace, Error::kMisaligned},
        {&Params::ring_address, ring | abi::kRingInPlace, Error::kBadAddress},
        {&Params::ring_address, reinterpret_cast<std::uint64_t>(&t.env.info) | abi::kRingInPlace,
         Error::kBadAddress},  // read-only
        {&Params::ring_address, 0xffff'8000'0000'0000 | abi::kRingInPlace, Error::kBadAddress},
        {&Params::ring_address, 0, Error::kBadAddress},
        {&Params::ring_address, abi::kUserTop - 3 * kPage, Error::kBadAddress},
        {&Params::ring_address, 0xffff'8000'0000'0000, Error::kBadAddress},
        {&Params::ring_address, t.env.info.ring_address, Error::kOverlap},
        {&Params::ring_address, t.env.info.ring_address - 2 * kPage, Error::kOverlap},
    };
    for (const Row& row : rows) {
        abi::ThreadParams params = good;
        params.*row.field = row.value;
        REQUIRE_ERROR(t, t.env.process.create_thread(params), row.error);
    }
    // Nothing was left behind: the ring's place is free.
    const Owned thread(MUST(t, t.env.process.create_thread(good)));
    REQUIRE_ERROR(t, t.env.process.create_thread(good), Error::kOverlap);
    REQUIRE_OK(t, thread->kill(0));
    REQUIRE_OK(t, t.env.process.unmap(ring, abi::kRingPages));
    const Owned second(MUST(t, t.env.process.create_thread(good)));
    REQUIRE_OK(t, second->kill(0));
}

// The next thread's ring is the pages of the one before: empty, and what the one before had in flight never comes there.
void ring_in_place(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(abi::kRingPages)));
    const std::uint64_t ring = MUST(t, t.env.space.reserve(abi::kRingPages));
    REQUIRE_OK(t, t.env.process.map(*memory, ring, 0, abi::kRingPages, abi::kRead | abi::kWrite));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto header = reinterpret_cast<abi::RingHeader*>(ring);
    for (int i = 0; i < 5; ++i) {
        const abi::ThreadParams params{.entry = reinterpret_cast<std::uint64_t>(&enter_and_wait),
                                       .stack = 0,
                                       .argument = 0,
                                       .ring_address = ring | abi::kRingInPlace,
                                       .fs_base = 0,
                                       .affinity = 0,
                                       .label = 0,
                                       .first_cpu = 0};
        const Owned thread(MUST(t, t.env.process.create_thread(params)));
        REQUIRE_EQUAL(t, header->sq_tail + header->sq_head + header->cq_tail + header->cq_head, 0u);
        *reinterpret_cast<abi::Submission*>(ring + kPage) =
            cap::submission(abi::Op::kWaitBits, bell->slot(), 7);
        header->sq_tail = 1;
        REQUIRE_OK(t, thread->start());
        REQUIRE(t, eventually(t.env.clock, [&] {
                    return header->sq_head == 1 && thread->status()->word.state() == ThreadState::kWaiting;
                }));
        REQUIRE_OK(t, thread->kill(3));
        REQUIRE_EQUAL(t, MUST(t, thread->join(t.env.ring, patience_ns)), 3u);
    }
    const Owned last(MUST(t, t.env.process.create_thread({.entry = 0x40'0000,
                                                          .stack = 0,
                                                          .argument = 0,
                                                          .ring_address = ring | abi::kRingInPlace,
                                                          .fs_base = 0,
                                                          .affinity = 0,
                                                          .label = 0,
                                                          .first_cpu = 0})));
    REQUIRE_OK(t, bell->signal(1));
    REQUIRE_EQUAL(t, header->cq_tail.load(), 0u);
    REQUIRE_OK(t, last->kill(0));
}

void created_as_asked(Case& t) {
    const std::uint64_t last = t.cpus() - 1;
    const auto thread = MUST(
        t, Sibling::create(t.env, end_at_once, nullptr, {.affinity = 0, .label = 99, .first_cpu = last}));
    const auto status = MUST(t, thread->status());
    REQUIRE_EQUAL(t, status.word.state(), ThreadState::kCreated);
    REQUIRE_EQUAL(t, status.word.cpu(), last);
    REQUIRE_EQUAL(t, status.label, 99u);
    REQUIRE_EQUAL(t, status.affinity, (2ull << last) - 1);
    REQUIRE_EQUAL(t, status.wakes, 0u);
    REQUIRE_EQUAL(t, status.runtime_ns, 0u);
    REQUIRE_EQUAL(t, status.domain, 0u);
    REQUIRE(t, status.ref == MUST(t, thread->ref()));
    // A first CPU that the affinity forbids is replaced by the lowest that it allows.
    const auto elsewhere =
        MUST(t, Sibling::create(t.env, end_at_once, nullptr, {.affinity = only(last), .first_cpu = 0}));
    REQUIRE_EQUAL(t, elsewhere.word().cpu(), last);
}

void start_once(Case& t) {
    const auto thread = MUST(t, Sibling::create(t.env, wait_for_ever, nullptr));
    REQUIRE_OK(t, thread->start());
    REQUIRE_ERROR(t, thread->start(), Error::kWrongState);
    REQUIRE(t, thread.reaches(ThreadState::kWaiting));
    REQUIRE_ERROR(t, thread->start(), Error::kWrongState);
    REQUIRE_OK(t, thread->kill(0));
    REQUIRE(t, thread.wait());
    REQUIRE_ERROR(t, thread->start(), Error::kWrongState);
}

void kill_created(Case& t) {
    const auto thread = MUST(t, Sibling::create(t.env, end_at_once, nullptr));
    REQUIRE_OK(t, thread->kill(0));
    REQUIRE_EQUAL(t, thread.state(), ThreadState::kGone);
    REQUIRE_EQUAL(t, MUST(t, thread->status()).word.cause(), abi::Cause::kKilled);
    REQUIRE_OK(t, thread->kill(0));
    REQUIRE_OK(t, thread->set_affinity(1));
}

void kill_waiting(Case& t) {
    const auto thread = MUST(t, Sibling::start(t.env, wait_for_ever, nullptr));
    REQUIRE(t, thread.reaches(ThreadState::kWaiting));
    REQUIRE_OK(t, thread->kill(0));
    REQUIRE_EQUAL(t, thread.state(), ThreadState::kGone);
}

// On CPU 0 the thread is queued while this one runs, on another it runs.
void kill_queued_and_running(Case& t) {
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        std::atomic<std::uint64_t> beats{0};
        const auto thread = MUST(t, Sibling::start(t.env, spin, &beats, {.affinity = only(cpu)}));
        REQUIRE(t, eventually(t.env.clock, [&] { return beats.load() != 0; }));
        REQUIRE_OK(t, thread->kill(0));
        REQUIRE(t, thread.wait());
        REQUIRE_EQUAL(t, MUST(t, thread->status()).word.cause(), abi::Cause::kKilled);
        const std::uint64_t last = beats;
        sleep_ns(kMillisecond);
        REQUIRE_EQUAL(t, beats.load(), last);
    }
}

// Killed at any moment of its start.
void kill_starting(Case& t) {
    for (std::uint32_t i = 0; i < 100; ++i) {
        const auto thread = MUST(t, Sibling::start(t.env, i % 2 ? wait_for_ever : end_at_once, nullptr,
                                                   {.affinity = only(i % t.cpus())}));
        delay_ticks(i * 500);
        REQUIRE_OK(t, thread->kill(0));
        REQUIRE(t, thread.wait());
    }
}

// A reference to a thread names no other, though it takes its line in the status table.
void references(Case& t) {
    abi::ThreadRef before{};
    for (int i = 0; i < 20; ++i) {
        const auto thread = MUST(t, Sibling::start(t.env, end_at_once, nullptr));
        const auto ref = MUST(t, thread->ref());
        REQUIRE(t, ref.generation != 0);
        REQUIRE(t, ref != before);
        REQUIRE(t, thread.wait());
        REQUIRE(t, MUST(t, thread->ref()) == ref);
        before = ref;
    }
}

// Takes every line of the status table that is free, and gives them back -> how many.
cap::Result<std::uint32_t> fill_table(const cap::Env& env) {
    const Owned process(TRY(env.process.create_process("crowd")));
    abi::ThreadParams params{};
    std::uint32_t count = 0;
    for (params.ring_address = 0x10'0000;; params.ring_address += abi::kRingPages * kPage, ++count) {
        const auto thread = process->create_thread(params);
        if (!thread && thread.error() != Error::kNoSlot) {
            return cox::core::fail(thread.error());
        }
        if (!thread) {
            break;
        }
        thread->drop();  // not started, it lives on with its process
    }
    TRY(process->kill(3));
    TRY(process->wait_exit(env.ring, patience_ns));
    return count;
}

std::uint64_t wait_for_long(cap::Ring& ring, void*) {
    (void)ring.submit_and_wait(1, std::uint64_t{1} << 62);
    return 0;
}

// All lines come back in the end but that of this thread, though some threads were killed in a wait of many years.
void full_table(Case& t) {
    for (std::uint32_t i = 0; i < 20; ++i) {
        const auto thread =
            MUST(t, Sibling::start(t.env, wait_for_long, nullptr, {.affinity = only(i % t.cpus())}));
        REQUIRE(t, thread.reaches(ThreadState::kWaiting));
        REQUIRE_OK(t, thread->kill(0));
    }
    for (int round = 0; round < 2; ++round) {
        std::uint32_t count = 0;
        REQUIRE(t, eventually(t.env.clock, [&] {
                    count = fill_table(t.env).value_or(0);
                    return count == abi::kMaxThreads - 1;
                }));
    }
}

// Refused calls, one with a full ring, and the one in which it waits; and again.
std::uint64_t call_and_wait(cap::Ring& ring, void* argument) {
    for (;;) {
        cap::cap_call({}, abi::Op::kNop);
        for (int i = 0; i < 5; ++i) {
            (void)ring.prepare(cap::submission(abi::Op::kNop, {}));
        }
        (void)ring.submit_and_wait(5);
        while (ring.next()) {
        }
        (void)static_cast<cap::Notification*>(argument)->wait(ring);
    }
}

// What a ring carries is one call. A thread that has not run made none.
void calls_counted(Case& t) {
    Owned bell(MUST(t, t.env.process.create_notification()));
    cap::Notification notification = *bell;
    const auto thread = MUST(t, Sibling::create(t.env, call_and_wait, &notification));
    REQUIRE_EQUAL(t, MUST(t, thread->status()).calls, 0u);
    REQUIRE_OK(t, thread->start());
    for (std::uint32_t round = 1; round <= 3; ++round) {
        REQUIRE(t, thread.reaches(ThreadState::kWaiting));
        REQUIRE_EQUAL(t, MUST(t, thread->status()).calls, 3 * round);
        REQUIRE_OK(t, bell->signal(1));
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = thread->status();
                    return status && status->calls != 3 * round;
                }));
    }
}

constexpr Entry kCases[] = {
    {"refused_parameters", refused_parameters},
    {"ring_in_place", ring_in_place},
    {"created_as_asked", created_as_asked},
    {"start_once", start_once},
    {"kill_created", kill_created},
    {"kill_waiting", kill_waiting},
    {"kill_queued_and_running", kill_queued_and_running},
    {"kill_starting", kill_starting},
    {"references", references},
    {"calls_counted", calls_counted},
    {"full_table", full_table},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "thread", kCases); }
