// SPDX-License-Identifier: MIT
//
// Linked submissions and cancelling: docs/abi.md, "Rings". Each case ends with nothing left in the ring.
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>
#include <initializer_list>

namespace {

using namespace test;
using abi::Error;
using abi::Op;

constexpr auto kCancelled = static_cast<std::int64_t>(Error::kCancelled);
constexpr auto kBadSlot = static_cast<std::int64_t>(Error::kBadSlot);

struct Expected {
    std::uint64_t user_data;
    std::int64_t result;
};

abi::Submission nop(Case& t, std::uint64_t user_data, std::uint16_t flags = 0) {
    auto entry = cap::submission(Op::kNop, t.env.process.slot(), user_data, user_data);
    entry.flags = flags;
    return entry;
}
abi::Submission failing(std::uint64_t user_data, std::uint16_t flags = 0) {
    auto entry = cap::submission(Op::kNop, {}, user_data);
    entry.flags = flags;
    return entry;
}
abi::Submission wait_bits(const cap::Notification& bell, std::uint64_t user_data, std::uint16_t flags = 0) {
    auto entry = cap::submission(Op::kWaitBits, bell.slot(), user_data);
    entry.flags = flags;
    return entry;
}
abi::Submission signal(const cap::Notification& bell, std::uint64_t user_data, std::uint64_t bits,
                       std::uint16_t flags = 0) {
    auto entry = cap::submission(Op::kSignal, bell.slot(), user_data, bits);
    entry.flags = flags;
    return entry;
}

// The case fails unless these completions, and no other, can be taken.
void expect(Case& t, std::initializer_list<Expected> all) {
    for (const Expected& each : all) {
        const auto completion = t.env.ring.next();
        REQUIRE(t, completion.has_value());
        REQUIRE_EQUAL(t, completion->user_data, each.user_data);
        REQUIRE_EQUAL(t, completion->result, each.result);
    }
    if (const auto other = t.env.ring.next()) {
        t.fail("too many: completion of {} with {}", other->user_data, other->result);
    }
}

void submit(Case& t, std::initializer_list<abi::Submission> entries) {
    for (const auto& entry : entries) {
        REQUIRE_OK(t, t.env.ring.prepare(entry));
    }
}

void success_goes_on(Case& t) {
    submit(t, {nop(t, 1, abi::kLink), nop(t, 2, abi::kLink), nop(t, 3), nop(t, 4)});
    REQUIRE_EQUAL(t, cap::cap_enter(4, 0).submitted, 4u);
    expect(t, {{1, 1}, {2, 2}, {3, 3}, {4, 4}});
    // Without a completion, too.
    constexpr std::uint16_t kBoth = abi::kLink | abi::kQuietSuccess;
    submit(t, {nop(t, 1, kBoth), nop(t, 2, kBoth), nop(t, 3)});
    REQUIRE_EQUAL(t, cap::cap_enter(1, 0).submitted, 3u);
    expect(t, {{3, 3}});
}

// Every kind of entry is cancelled, and none of it done.
void failure_cancels_the_rest(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    auto bad_flags = nop(t, 6, abi::kLink | 4);
    submit(t, {nop(t, 1, abi::kLink), failing(2, abi::kLink), nop(t, 3, abi::kLink | abi::kQuietSuccess),
               signal(*bell, 4, 1), nop(t, 5), bad_flags, signal(*bell, 7, 1), nop(t, 8)});
    REQUIRE_EQUAL(t, cap::cap_enter(8, 0).submitted, 8u);
    expect(t, {{1, 1},
               {2, kBadSlot},
               {3, kCancelled},
               {4, kCancelled},
               {5, 5},
               {6, static_cast<std::int64_t>(Error::kBadArgument)},
               {7, kCancelled},
               {8, 8}});
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
}

// A call's end is no chain's end.
void across_calls(Case& t) {
    submit(t, {failing(1, abi::kLink)});
    REQUIRE_EQUAL(t, cap::cap_enter(1, 0).submitted, 1u);
    submit(t, {nop(t, 2, abi::kLink)});
    REQUIRE_EQUAL(t, cap::cap_enter(2, 0).submitted, 1u);
    submit(t, {nop(t, 3), nop(t, 4)});
    REQUIRE_EQUAL(t, cap::cap_enter(4, 0).submitted, 2u);
    expect(t, {{1, kBadSlot}, {2, kCancelled}, {3, kCancelled}, {4, 4}});
}

// Signals `bell` when the test's thread waits.
struct Helper {
    cap::Thread waiter;
    cap::Notification bell;
};
std::uint64_t signal_when_it_waits(cap::Ring&, void* argument) {
    const auto& helper = *static_cast<const Helper*>(argument);
    for (;;) {
        const auto status = helper.waiter.status();
        if (status && status->word.state() == abi::ThreadState::kWaiting) {
            break;
        }
        sleep_ns(20 * kMicrosecond);
    }
    (void)helper.bell.signal(32);
    return 0;
}

// What stands behind a wait, linked to it or not, is done when it has come true: without another call if the thread
// waits, though it waits for fewer completions, as many, or more; else in the next call.
void held_by_a_wait(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned gong(MUST(t, t.env.process.create_notification()));
    for (std::uint64_t wanted = 0; wanted <= 4; ++wanted) {
        submit(t, {wait_bits(*bell, 1, abi::kLink), nop(t, 2, abi::kLink), signal(*gong, 3, 8), nop(t, 4)});
        const auto first = cap::cap_enter(0, 0);
        REQUIRE_EQUAL(t, first.submitted, 1u);
        REQUIRE_EQUAL(t, first.ready, 0);
        REQUIRE_EQUAL(t, t.env.ring.free_entries(), abi::kSqEntries - 3);
        REQUIRE_EQUAL(t, error_of(cap::cap_enter(1, 50 * kMicrosecond).ready), Error::kTimedOut);
        Helper helper{t.env.thread, *bell};
        if (wanted == 0) {
            REQUIRE_OK(t, bell->signal(32));
            REQUIRE_EQUAL(t, MUST(t, gong->poll()), 0u);
            REQUIRE_EQUAL(t, cap::cap_enter(0, 0).submitted, 3u);
        } else {
            const auto sibling = MUST(t, Sibling::start(t.env, signal_when_it_waits, &helper));
            const auto entered = cap::cap_enter(wanted, patience_ns);
            REQUIRE_EQUAL(t, entered.ready, 4);
            REQUIRE_EQUAL(t, entered.submitted, 3u);
        }
        expect(t, {{1, 32}, {2, 2}, {3, 0}, {4, 4}});
        REQUIRE_EQUAL(t, MUST(t, gong->poll()), 8u);
    }
}

// A chain of waits, each of which holds the next one, with one call; in the same one, and the time-out is the call's.
void waits_behind_waits(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Helper helper{t.env.thread, *bell};
    for (std::uint64_t i = 1; i < 10; ++i) {
        submit(t, {wait_bits(*bell, i, abi::kLink)});
    }
    submit(t, {nop(t, 10), wait_bits(*bell, 11)});
    for (std::uint64_t i = 1; i < 9; ++i) {
        const auto sibling = MUST(t, Sibling::start(t.env, signal_when_it_waits, &helper));
        const auto entered = cap::cap_enter(i, patience_ns);
        REQUIRE_EQUAL(t, entered.ready, static_cast<std::int64_t>(i));
        REQUIRE_EQUAL(t, entered.submitted, i == 1 ? 2u : 1u);
    }
    {
        const auto sibling = MUST(t, Sibling::start(t.env, signal_when_it_waits, &helper));
        const auto entered = cap::cap_enter(11, 3 * kMillisecond);  // the last one does not come
        REQUIRE_EQUAL(t, error_of(entered.ready), Error::kTimedOut);
        REQUIRE(t, sibling.wait());
    }
    REQUIRE_OK(t, bell->signal(32));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(11, patience_ns));
    expect(t, {{1, 32},
               {2, 32},
               {3, 32},
               {4, 32},
               {5, 32},
               {6, 32},
               {7, 32},
               {8, 32},
               {9, 32},
               {10, 10},
               {11, 32}});
}

// An operation that is linked and in flight with nothing behind it does not wake its thread early.
void held_with_nothing_behind(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned gong(MUST(t, t.env.process.create_notification()));
    submit(t, {wait_bits(*gong, 1), wait_bits(*bell, 2, abi::kLink)});
    Helper helper{t.env.thread, *bell};
    const auto sibling = MUST(t, Sibling::start(t.env, signal_when_it_waits, &helper));
    REQUIRE_EQUAL(t, error_of(cap::cap_enter(2, 5 * kMillisecond).ready), Error::kTimedOut);
    REQUIRE(t, sibling.wait());
    REQUIRE_OK(t, gong->signal(1));
    submit(t, {nop(t, 3)});
    REQUIRE_EQUAL(t, cap::cap_enter(3, patience_ns).ready, 3);
    const auto first = t.env.ring.next();
    REQUIRE_EQUAL(t, first->user_data + t.env.ring.next()->user_data, 3u);
    expect(t, {{3, 3}});
}

// More behind it than one pass takes, and no room: nothing is lost.
void long_chains(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    submit(t, {wait_bits(*bell, 1, abi::kLink)});
    REQUIRE_EQUAL(t, cap::cap_enter(0, 0).submitted, 1u);
    std::uint64_t sent = 2;
    for (std::uint32_t i = 0; i < abi::kSqEntries; ++i) {
        submit(t, {nop(t, sent++, abi::kLink)});
    }
    REQUIRE_ERROR(t, t.env.ring.prepare(nop(t, 0)), Error::kQueueFull);
    REQUIRE_OK(t, bell->signal(1));
    REQUIRE_EQUAL(t, cap::cap_enter(65, 0).ready, 65);
    while (sent < 200) {
        const auto prepared = t.env.ring.prepare(nop(t, sent, abi::kLink));
        if (!prepared) {
            REQUIRE_EQUAL(t, prepared.error(), Error::kQueueFull);
            break;
        }
        ++sent;
    }
    std::uint64_t seen = 1;
    do {
        while (const auto completion = t.env.ring.next()) {
            REQUIRE_EQUAL(t, completion->user_data, seen);
            REQUIRE_EQUAL(t, completion->result, static_cast<std::int64_t>(seen));
            ++seen;
        }
        (void)cap::cap_enter(0, 0);
    } while (seen < sent);
    submit(t, {nop(t, 0)});
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, 0));
    expect(t, {{0, 0}});
}

// The queue is full in the middle of a chain that is cancelled.
void full_within_a_chain(Case& t) {
    std::uint64_t sent = 0;
    for (; sent < 100; ++sent) {
        submit(t, {nop(t, sent)});
    }
    (void)cap::cap_enter(0, 0);
    submit(t, {failing(sent++, abi::kLink)});
    for (; sent < 140; ++sent) {
        submit(t, {nop(t, sent, abi::kLink)});
    }
    submit(t, {nop(t, sent++), nop(t, sent++)});
    const auto full = cap::cap_enter(0, 0);
    REQUIRE_EQUAL(t, error_of(full.ready), Error::kQueueFull);
    REQUIRE_EQUAL(t, full.submitted, 28u);
    std::uint64_t seen = 0;
    for (int round = 0; round < 2; ++round) {
        while (const auto completion = t.env.ring.next()) {
            const auto expected = seen == 100                ? kBadSlot
                                  : seen > 100 && seen < 141 ? kCancelled
                                                             : static_cast<std::int64_t>(seen);
            REQUIRE_EQUAL(t, completion->user_data, seen);
            REQUIRE_EQUAL(t, completion->result, expected);
            ++seen;
        }
        (void)cap::cap_enter(0, 0);
    }
    REQUIRE_EQUAL(t, seen, sent);
}

void cancel_a_wait(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned other(MUST(t, t.env.process.create_notification()));
    REQUIRE_ERROR(t, bell->cancel(1), Error::kWrongState);
    submit(t, {wait_bits(*bell, 1)});
    REQUIRE_EQUAL(t, cap::cap_enter(0, 0).submitted, 1u);
    REQUIRE_ERROR(t, bell->cancel(2), Error::kWrongState);
    REQUIRE_ERROR(t, other->cancel(1), Error::kWrongState);
    const auto no_right = MUST(t, derive(*bell, 0));
    REQUIRE_OK(t, no_right->cancel(1));
    REQUIRE_ERROR(t, bell->cancel(1), Error::kWrongState);
    expect(t, {{1, kCancelled}});
    // It has taken no bits, and made room for another; through the ring, too.
    REQUIRE_OK(t, bell->signal(4));
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 4u);
    submit(t, {wait_bits(*bell, 5), cap::submission(Op::kCancel, bell->slot(), 6, 5)});
    REQUIRE_EQUAL(t, cap::cap_enter(2, 0).ready, 2);
    expect(t, {{5, kCancelled}, {6, 0}});
    submit(t, {wait_bits(*bell, 7)});
    (void)cap::cap_enter(0, 0);
    REQUIRE_OK(t, bell->signal(8));
    REQUIRE_ERROR(t, bell->cancel(7), Error::kWrongState);
    expect(t, {{7, 8}});
}

std::uint64_t cancel_for_another(cap::Ring&, void* argument) {
    const auto outcome = static_cast<const Helper*>(argument)->bell.cancel(1);
    return outcome ? 0 : static_cast<std::uint64_t>(-static_cast<std::int64_t>(outcome.error()));
}

// Of a process's end; what another thread waits for is not ours; what holds a chain is cancelled with it.
void cancel_others(Case& t) {
    submit(t, {cap::submission(Op::kWaitExit, t.env.process.slot(), 9)});
    (void)cap::cap_enter(0, 0);
    REQUIRE_OK(t, t.env.process.cancel(9));
    expect(t, {{9, kCancelled}});
    REQUIRE_ERROR(t, t.env.thread.cancel(9), Error::kWrongState);
    REQUIRE_ERROR(t, t.env.log.cancel(9), Error::kWrongState);

    const Owned bell(MUST(t, t.env.process.create_notification()));
    submit(t, {wait_bits(*bell, 1, abi::kLink), nop(t, 2, abi::kLink), nop(t, 3), nop(t, 4)});
    (void)cap::cap_enter(0, 0);
    Helper helper{t.env.thread, *bell};
    {
        const auto sibling = MUST(t, Sibling::start(t.env, cancel_for_another, &helper));
        REQUIRE(t, sibling.wait());
    }
    REQUIRE_EQUAL(t, cap::cap_enter(0, 0).ready, 0);
    REQUIRE_OK(t, bell->cancel(1));
    REQUIRE_EQUAL(t, cap::cap_enter(4, 0).submitted, 3u);
    expect(t, {{1, kCancelled}, {2, kCancelled}, {3, kCancelled}, {4, 4}});
    // A wait through call() that timed out leaves the notification free.
    REQUIRE_ERROR(t, bell->wait(t.env.ring, 20 * kMicrosecond), Error::kTimedOut);
    REQUIRE_OK(t, bell->signal(2));
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 2u);
    expect(t, {});
}

constexpr Entry kCases[] = {
    {"success_goes_on", success_goes_on},
    {"failure_cancels_the_rest", failure_cancels_the_rest},
    {"across_calls", across_calls},
    {"held_by_a_wait", held_by_a_wait},
    {"waits_behind_waits", waits_behind_waits},
    {"held_with_nothing_behind", held_with_nothing_behind},
    {"long_chains", long_chains},
    {"full_within_a_chain", full_within_a_chain},
    {"cancel_a_wait", cancel_a_wait},
    {"cancel_others", cancel_others},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "ring_link", kCases); }
