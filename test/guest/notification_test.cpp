// SPDX-License-Identifier: MIT
//
// Notifications: bits in, bits out, and who waits for them: docs/abi.md, "Notification".
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;

void signals_are_ored(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
    for (const std::uint64_t bits : {1ull, 2ull, 2ull, 0ull, 1ull << 62}) {
        REQUIRE_OK(t, bell->signal(bits));
    }
    REQUIRE_ERROR(t, bell->signal(1ull << 63), Error::kBadArgument);
    REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring)), 3 | 1ull << 62);
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
    // No bits wake nobody.
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), 1)));
    REQUIRE_OK(t, bell->signal(0));
    REQUIRE_ERROR(t, t.env.ring.submit_and_wait(1, kMillisecond), Error::kTimedOut);
    REQUIRE_OK(t, bell->signal(4));
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);  // the waiter has them
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1));
    REQUIRE_EQUAL(t, t.env.ring.next()->result, 4);
}

void second_waiter(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), 1)));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), 2)));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1));
    const auto refused = t.env.ring.next();
    REQUIRE_EQUAL(t, refused->user_data, 2u);
    REQUIRE_EQUAL(t, error_of(refused->result), Error::kBusy);
    REQUIRE_OK(t, bell->signal(1));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1));
    REQUIRE_EQUAL(t, t.env.ring.next()->user_data, 1u);
}

struct Waiter {
    cap::Notification bell;
    std::atomic<std::uint64_t> bits{0};
};

std::uint64_t wait_once(cap::Ring& ring, void* argument) {
    auto& waiter = *static_cast<Waiter*>(argument);
    waiter.bits = waiter.bell.wait(ring).value_or(~0ull);
    return 0;
}

// A waiter that has gone makes room for another and takes no bits with it, though its thread is still referred to.
void waiter_dies(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Waiter waiter{*bell};
    for (const bool signal_first : {false, true}) {
        const auto thread = MUST(t, Sibling::start(t.env, wait_once, &waiter));
        REQUIRE(t, thread.reaches(abi::ThreadState::kWaiting));
        REQUIRE_ERROR(t, bell->wait(t.env.ring), Error::kBusy);
        REQUIRE_OK(t, thread->kill(1));
        REQUIRE(t, thread.wait());
        if (signal_first) {
            REQUIRE_OK(t, bell->signal(2));
            REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 2u);
        } else {
            REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), 1)));
            REQUIRE_ERROR(t, t.env.ring.submit_and_wait(1, kMillisecond), Error::kTimedOut);
            REQUIRE_OK(t, bell->signal(1));
            REQUIRE_OK(t, t.env.ring.submit_and_wait(1));
            REQUIRE_EQUAL(t, t.env.ring.next()->result, 1);
        }
    }
    REQUIRE_EQUAL(t, waiter.bits.load(), 0u);
}

// The notification goes while somebody waits for it: when nobody could signal it any more.
void notification_goes(Case& t) {
    Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), 5)));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(0));
    bell = {};
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
    const auto completion = t.env.ring.next();
    REQUIRE_EQUAL(t, completion->user_data, 5u);
    REQUIRE_EQUAL(t, error_of(completion->result), Error::kGone);
}

constexpr Entry kCases[] = {
    {"signals_are_ored", signals_are_ored},
    {"second_waiter", second_waiter},
    {"waiter_dies", waiter_dies},
    {"notification_goes", notification_goes},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "notification", kCases); }
