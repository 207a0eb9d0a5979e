// SPDX-License-Identifier: MIT
//
// Suspending threads that the kernel places, in each of their states, and letting them go on: docs/abi.md, "Thread".
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::ThreadState;

struct Spinner {
    std::atomic<std::uint64_t> beats{0};

    static std::uint64_t run(cap::Ring&, void* argument) {
        for (auto& beats = static_cast<Spinner*>(argument)->beats;;) {
            beats.fetch_add(1, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] bool progresses(Case& t) const {
        return eventually(t.env.clock, [this, before = beats.load()] { return beats != before; });
    }
    [[nodiscard]] bool stands_still(Case& t) const {
        return throughout(t.env.clock, 3 * kMillisecond,
                          [this, before = beats.load()] { return beats == before; });
    }
};

// On CPU 0 it is queued while this thread runs, on another it runs.
void running_and_queued(Case& t) {
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        Spinner spinner;
        const auto thread = MUST(t, Sibling::start(t.env, Spinner::run, &spinner, {.affinity = only(cpu)}));
        for (int i = 0; i < 5; ++i) {
            REQUIRE(t, spinner.progresses(t));
            REQUIRE_OK(t, thread->suspend());
            REQUIRE_OK(t, thread->suspend());  // twice is once
            REQUIRE(t, thread.reaches(ThreadState::kSuspended));
            REQUIRE_EQUAL(t, thread.word().cause(), abi::Cause::kSuspended);
            REQUIRE_OK(t, thread->suspend());
            REQUIRE(t, spinner.stands_still(t));
            REQUIRE_OK(t, thread->resume());
            REQUIRE_OK(t, thread->resume());
        }
        REQUIRE(t, spinner.progresses(t));
        // Where it may not run any more, it does not come back to.
        REQUIRE_OK(t, thread->suspend());
        REQUIRE(t, thread.reaches(ThreadState::kSuspended));
        const std::uint32_t next = (cpu + 1) % t.cpus();
        REQUIRE_OK(t, thread->set_affinity(only(next)));
        REQUIRE_EQUAL(t, thread.state(), ThreadState::kSuspended);
        REQUIRE_OK(t, thread->resume());
        REQUIRE(t, spinner.progresses(t));
        REQUIRE_EQUAL(t, thread.word().cpu(), next);
    }
}

// Ends with the bits that it waited for.
struct Waiter {
    cap::Notification bell;

    static std::uint64_t run(cap::Ring& ring, void* argument) {
        return static_cast<Waiter*>(argument)->bell.wait(ring).value_or(0);
    }
};

void waiting(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Waiter waiter{*bell};
    for (int woken_meanwhile = 0; woken_meanwhile < 2; ++woken_meanwhile) {
        const auto thread = MUST(t, Sibling::start(t.env, Waiter::run, &waiter));
        REQUIRE(t, thread.reaches(ThreadState::kWaiting));
        const std::uint32_t sequence = thread.word().sequence();
        REQUIRE_OK(t, thread->suspend());
        REQUIRE_EQUAL(t, thread.state(), ThreadState::kSuspended);  // at once: it is on no CPU
        REQUIRE_EQUAL(t, thread.word().sequence(), sequence + 1);
        if (woken_meanwhile != 0) {
            REQUIRE_OK(t, bell->signal(2));
            sleep_ns(kMillisecond);
            REQUIRE_EQUAL(t, thread.state(), ThreadState::kSuspended);
            REQUIRE(t, thread.word().wake_pending());
            REQUIRE_OK(t, thread->resume());
        } else {
            REQUIRE_OK(t, thread->resume());
            REQUIRE_EQUAL(t, thread.state(), ThreadState::kWaiting);
            REQUIRE_EQUAL(t, thread.word().cause(), abi::Cause::kResumed);
            REQUIRE_OK(t, thread->resume());
            REQUIRE_EQUAL(t, thread.word().sequence(), sequence + 2);
            REQUIRE_OK(t, bell->signal(2));
        }
        REQUIRE_EQUAL(t, MUST(t, thread->join(t.env.ring, patience_ns)), 2u);
    }
}

// The time passes while it is suspended; it hears of that when it is resumed.
void timeout_meanwhile(Case& t) {
    const auto sleep = [](cap::Ring& ring, void*) -> std::uint64_t {
        const auto waited = ring.submit_and_wait(1, 2 * kMillisecond);
        return !waited && waited.error() == Error::kTimedOut ? 1 : 2;
    };
    for (int i = 0; i < 10; ++i) {
        const auto thread = MUST(t, Sibling::start(t.env, sleep, nullptr));
        REQUIRE_OK(t, thread->suspend());
        REQUIRE(t, thread.reaches(ThreadState::kSuspended));
        sleep_ns(4 * kMillisecond);
        REQUIRE_EQUAL(t, thread.state(), ThreadState::kSuspended);
        REQUIRE_OK(t, thread->resume());
        REQUIRE_EQUAL(t, MUST(t, thread->join(t.env.ring, patience_ns)), 1u);
    }
}

// It returns from the call when it is resumed, by one capability as by another; also through the ring, where what
// it has asked for beside that is waited for then.
void itself(Case& t) {
    struct Self {
        std::atomic<std::uint64_t> slot{0}, returned{0};
        static std::uint64_t run(cap::Ring& ring, void* argument) {
            Self& self = *static_cast<Self*>(argument);
            const cap::Thread thread(abi::CapSlot::from_raw(self.slot.load()));
            const auto suspended = thread.suspend();
            self.returned = suspended ? 1 : 2;
            const auto by_ring = ring.call(cap::submission(abi::Op::kSuspend, thread.slot()));
            self.returned = suspended && by_ring ? 3 : 4;
            return 0;
        }
    };
    Self self;
    const auto thread = MUST(t, Sibling::create(t.env, Self::run, &self));
    self.slot = thread->slot().raw();
    REQUIRE_OK(t, thread->start());
    for (std::uint64_t step = 0; step < 2; ++step) {
        REQUIRE(t, thread.reaches(ThreadState::kSuspended));
        REQUIRE_EQUAL(t, self.returned.load(), step);
        REQUIRE_OK(t, thread->resume());
        REQUIRE(t, eventually(t.env.clock, [&] { return self.returned != step; }));
        REQUIRE_EQUAL(t, self.returned.load(), 2 * step + 1);
    }
    REQUIRE(t, thread.wait());
}

void killed(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Waiter waiter{*bell};
    Spinner spinner;
    const auto waiting = MUST(t, Sibling::start(t.env, Waiter::run, &waiter));
    const auto runnable = MUST(t, Sibling::start(t.env, Spinner::run, &spinner));
    REQUIRE(t, waiting.reaches(ThreadState::kWaiting));
    for (const Sibling* thread : {&waiting, &runnable}) {
        REQUIRE_OK(t, (*thread)->suspend());
        REQUIRE(t, thread->reaches(ThreadState::kSuspended));
        REQUIRE_OK(t, (*thread)->kill(6));
        REQUIRE_EQUAL(t, thread->state(), ThreadState::kGone);
        REQUIRE_EQUAL(t, MUST(t, (*thread)->join(t.env.ring, patience_ns)), 6u);
        REQUIRE_OK(t, (*thread)->kill(6));
    }
    REQUIRE_OK(t, bell->signal(1));  // the dead one takes no bits with it
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 1u);
}

void refused(Case& t) {
    Spinner spinner;
    const auto thread = MUST(t, Sibling::create(t.env, Spinner::run, &spinner));
    REQUIRE_ERROR(t, thread->suspend(), Error::kWrongState);  // not started
    REQUIRE_ERROR(t, thread->resume(), Error::kWrongState);
    const auto reader = MUST(t, derive(*thread.operator->(), abi::kRead));
    REQUIRE_ERROR(t, reader->suspend(), Error::kNoRight);
    REQUIRE_ERROR(t, reader->resume(), Error::kNoRight);
    REQUIRE_OK(t, thread->start());
    REQUIRE_OK(t, thread->resume());  // nothing to do
    REQUIRE_OK(t, thread->kill(0));
    REQUIRE(t, thread.wait());
    REQUIRE_ERROR(t, thread->suspend(), Error::kWrongState);
    REQUIRE_ERROR(t, thread->resume(), Error::kWrongState);
}

constexpr Entry kCases[] = {
    {"running_and_queued", running_and_queued},
    {"waiting", waiting},
    {"timeout_meanwhile", timeout_meanwhile},
    {"itself", itself},
    {"killed", killed},
    {"refused", refused},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "thread_suspend", kCases); }
