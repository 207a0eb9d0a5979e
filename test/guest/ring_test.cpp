// SPDX-License-Identifier: MIT
//
// Rings used as they should be: docs/abi.md, "Rings".
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::Op;

abi::Submission nop(const cap::Env& env, std::uint64_t user_data, std::uint64_t value = 0) {
    return cap::submission(Op::kNop, env.process.slot(), user_data, value);
}

// Nothing of an earlier case is left in the queue.
void expect_empty(Case& t) {
    while (const auto completion = t.env.ring.next()) {
        t.fail("left over: completion of {} with {}", completion->user_data, completion->result);
    }
}

void one(Case& t) {
    REQUIRE_OK(t, t.env.ring.prepare(nop(t.env, 17, 5)));
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(1)), 1u);
    const auto completion = t.env.ring.next();
    REQUIRE(t, completion.has_value());
    REQUIRE_EQUAL(t, completion->user_data, 17u);
    REQUIRE_EQUAL(t, completion->result, 5);
    REQUIRE_EQUAL(t, completion->result2, 0u);
    REQUIRE_EQUAL(t, completion->flags, 0u);
    expect_empty(t);
}

void second_result(Case& t) {
    const Owned log(cap::Log(MUST(t, t.env.log.derive(abi::kRead, 23))));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kIdentify, log->slot(), 1)));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1));
    const auto completion = t.env.ring.next();
    REQUIRE(t, completion.has_value());
    REQUIRE_EQUAL(t, static_cast<std::uint64_t>(completion->result),
                  abi::identity_word(abi::ObjectType::kLog, abi::kRead));
    REQUIRE_EQUAL(t, completion->result2, 23u);  // its badge
}

// Immediate operations complete in the order of their submissions; entries are independent of each other.
void batch_in_order(Case& t) {
    for (std::uint64_t i = 0; i < abi::kSqEntries; ++i) {
        auto entry = nop(t.env, i, i);
        if (i % 3 == 1) {
            entry.slot = 0;
        }
        REQUIRE_OK(t, t.env.ring.prepare(entry));
    }
    const auto entered = cap::cap_enter(abi::kSqEntries, abi::kForever);
    REQUIRE_EQUAL(t, entered.ready, std::int64_t{abi::kSqEntries});
    REQUIRE_EQUAL(t, entered.submitted, abi::kSqEntries);
    for (std::uint64_t i = 0; i < abi::kSqEntries; ++i) {
        const auto completion = t.env.ring.next();
        REQUIRE(t, completion.has_value());
        REQUIRE_EQUAL(t, completion->user_data, i);
        const auto expected =
            i % 3 == 1 ? static_cast<std::int64_t>(Error::kBadSlot) : static_cast<std::int64_t>(i);
        REQUIRE_EQUAL(t, completion->result, expected);
    }
    expect_empty(t);
}

// Many times round, so that all indices wrap in their queues.
void many_rounds(Case& t) {
    std::uint64_t next = 0;
    for (std::uint64_t sent = 0; sent < 3000;) {
        const std::uint64_t count = 1 + sent % 61;
        for (std::uint64_t i = 0; i < count; ++i) {
            REQUIRE_OK(t, t.env.ring.prepare(nop(t.env, sent++)));
        }
        REQUIRE_OK(t, t.env.ring.submit_and_wait(count));
        while (const auto completion = t.env.ring.next()) {
            REQUIRE_EQUAL(t, completion->user_data, next++);
        }
        REQUIRE_EQUAL(t, next, sent);
    }
}

// prepare() hands over by itself when the submission queue is full.
void more_than_the_queue_holds(Case& t) {
    constexpr std::uint64_t kMany = abi::kSqEntries + 40;
    for (std::uint64_t i = 0; i < kMany; ++i) {
        REQUIRE_OK(t, t.env.ring.prepare(nop(t.env, i)));
    }
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(kMany)), kMany);
    for (std::uint64_t i = 0; i < kMany; ++i) {
        REQUIRE_EQUAL(t, t.env.ring.next()->user_data, i);
    }
    expect_empty(t);
}

// Without room to complete it, a submission stays where it is; nothing is lost.
void completion_queue_full(Case& t) {
    std::uint64_t sent = 0;
    for (int half = 0; half < 2; ++half) {
        for (std::uint32_t i = 0; i < abi::kSqEntries; ++i) {
            REQUIRE_OK(t, t.env.ring.prepare(nop(t.env, sent++)));
        }
        REQUIRE_EQUAL(t, cap::cap_enter(0, 0).submitted, abi::kSqEntries);
    }
    for (int i = 0; i < 10; ++i) {
        REQUIRE_OK(t, t.env.ring.prepare(nop(t.env, sent++)));
    }
    const auto full = cap::cap_enter(1, abi::kForever);
    REQUIRE_EQUAL(t, error_of(full.ready), Error::kQueueFull);
    REQUIRE_EQUAL(t, full.submitted, 0u);
    std::uint64_t taken = 0;
    for (; taken < 4; ++taken) {
        REQUIRE_EQUAL(t, t.env.ring.next()->user_data, taken);
    }
    const auto some = cap::cap_enter(1, abi::kForever);
    REQUIRE_EQUAL(t, error_of(some.ready), Error::kQueueFull);
    REQUIRE_EQUAL(t, some.submitted, 4u);
    while (const auto completion = t.env.ring.next()) {
        REQUIRE_EQUAL(t, completion->user_data, taken++);
    }
    REQUIRE_EQUAL(t, cap::cap_enter(6, abi::kForever).submitted, 6u);
    while (const auto completion = t.env.ring.next()) {
        REQUIRE_EQUAL(t, completion->user_data, taken++);
    }
    REQUIRE_EQUAL(t, taken, sent);
}

// An operation in flight keeps its place in the completion queue.
void in_flight_is_reserved(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), 1000)));
    for (std::uint64_t i = 0; i < abi::kCqEntries; ++i) {
        REQUIRE_OK(t, t.env.ring.prepare(nop(t.env, i)));
    }
    const auto full = cap::cap_enter(0, 0);
    REQUIRE_EQUAL(t, error_of(full.ready), Error::kQueueFull);
    REQUIRE_EQUAL(t, full.submitted, 0u);  // all but the last have gone, a queue at a time
    REQUIRE_OK(t, bell->signal(8));
    std::uint64_t seen = 0;
    for (; seen < abi::kCqEntries - 1; ++seen) {
        REQUIRE_EQUAL(t, t.env.ring.next()->user_data, seen);
    }
    const auto waited = t.env.ring.next();
    REQUIRE_EQUAL(t, waited->user_data, 1000u);
    REQUIRE_EQUAL(t, waited->result, 8);
    REQUIRE_EQUAL(t, cap::cap_enter(1, abi::kForever).submitted, 1u);
    REQUIRE_EQUAL(t, t.env.ring.next()->user_data, seen);
    expect_empty(t);
}

void quiet_success(Case& t) {
    constexpr int kTimes = 500;  // more than the completion queue holds
    for (int i = 0; i < kTimes; ++i) {
        auto entry = nop(t.env, 1);
        entry.flags = abi::kQuietSuccess;
        REQUIRE_OK(t, t.env.ring.prepare(entry));
    }
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(0)), 0u);
    // What fails completes, and so does what succeeds later.
    auto failing = nop(t.env, 2);
    failing.flags = abi::kQuietSuccess;
    failing.slot = 0;
    const Owned bell(MUST(t, t.env.process.create_notification()));
    auto late = cap::submission(Op::kWaitBits, bell->slot(), 3);
    late.flags = abi::kQuietSuccess;
    REQUIRE_OK(t, t.env.ring.prepare(failing));
    REQUIRE_OK(t, t.env.ring.prepare(late));
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(1)), 1u);
    REQUIRE_EQUAL(t, error_of(t.env.ring.next()->result), Error::kBadSlot);
    REQUIRE_OK(t, bell->signal(1));
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(1)), 1u);
    REQUIRE_EQUAL(t, t.env.ring.next()->user_data, 3u);
    expect_empty(t);
}

void ring_only_operations(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto domain = t.env.find_slot("domain");
    REQUIRE_EQUAL(t, by_call({Op::kWaitBits, bell->slot()}), Error::kBadOperation);
    REQUIRE_EQUAL(t, by_call({Op::kWaitExit, t.env.process.slot()}), Error::kBadOperation);
    REQUIRE_EQUAL(t, by_call({Op::kWaitEvents, *domain}), Error::kBadOperation);
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kWaitEvents, *domain}), Error::kWrongState);  // not an agent
}

// One thread's operations stay in flight together and complete in the order in which they come true.
void several_in_flight(Case& t) {
    std::array<Owned<cap::Notification>, 20> bells;
    for (std::uint64_t i = 0; i < bells.size(); ++i) {
        bells[i] = Owned(MUST(t, t.env.process.create_notification()));
        REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bells[i]->slot(), i)));
    }
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(0)), 0u);
    for (std::uint64_t i = bells.size(); i-- != 0;) {
        REQUIRE_OK(t, bells[i]->signal(i + 1));
    }
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(bells.size())), bells.size());
    for (std::uint64_t i = bells.size(); i-- != 0;) {
        const auto completion = t.env.ring.next();
        REQUIRE_EQUAL(t, completion->user_data, i);
        REQUIRE_EQUAL(t, completion->result, static_cast<std::int64_t>(i + 1));
    }
}

constexpr Entry kCases[] = {
    {"one", one},
    {"second_result", second_result},
    {"batch_in_order", batch_in_order},
    {"many_rounds", many_rounds},
    {"more_than_the_queue_holds", more_than_the_queue_holds},
    {"completion_queue_full", completion_queue_full},
    {"in_flight_is_reserved", in_flight_is_reserved},
    {"quiet_success", quiet_success},
    {"ring_only_operations", ring_only_operations},
    {"several_in_flight", several_in_flight},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "ring", kCases); }
