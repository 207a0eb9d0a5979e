// SPDX-License-Identifier: MIT
//
// Operations on one object from several CPUs at once: each ends as if it had come before or after the other.
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;

constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;

// A helper on the last CPU that does `act` on the slot that it finds in `target`, again and again.
struct Helper {
    const cap::Env& env;
    void (*act)(Helper& helper, abi::CapSlot slot);
    std::atomic<std::uint64_t> target{0};
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::int64_t> outcome{0};
    std::atomic<std::uint64_t> delay{0};
};

std::uint64_t help(cap::Ring&, void* argument) {
    auto& helper = *static_cast<Helper*>(argument);
    for (;;) {
        const std::uint64_t slot = helper.target.load();
        if (slot == helper.done.load()) {
            asm volatile("pause");
            continue;
        }
        delay_ticks(helper.delay);
        helper.act(helper, abi::CapSlot::from_raw(slot));
        helper.done = slot;
    }
}

// One CPU cannot race; there each round takes a turn of the helper's.
int rounds(const Case& t) { return t.cpus() > 1 ? static_cast<int>(600 / t.cpus()) : 10; }

cap::ThreadOptions on_last_cpu(const Case& t) { return {.affinity = only(t.cpus() - 1)}; }

bool finished(const Case& t, const Helper& helper) {
    return eventually(t.env.clock, [&] { return helper.done.load() == helper.target.load(); });
}

// One of two starters wins; the thread's first wait ends with its time-out, not with the loser's wake.
void two_starters(Case& t) {
    Helper helper{
        t.env, [](Helper& h, abi::CapSlot slot) { h.outcome = cap::cap_call(slot, abi::Op::kStart).result; }};
    const auto starter = MUST(t, Sibling::start(t.env, help, &helper, on_last_cpu(t)));
    struct Sleeper {
        const cap::Env& env;
        std::atomic<std::uint64_t> woken{0};
    };
    Sleeper sleeper{t.env};
    const auto sleep = [](cap::Ring& ring, void* argument) -> std::uint64_t {
        auto& s = *static_cast<Sleeper*>(argument);
        for (int i = 0; i < 3; ++i) {
            s.woken += cap::cap_enter(1, 20 * kMicrosecond).ready >= 0 ? 1 : 0;
        }
        // If the kernel thought that the thread still waited, this completion would find it running.
        s.woken += ring.call(cap::submission(abi::Op::kNop, s.env.process.slot())) ? 0 : 1;
        return 0;
    };
    Random random(t.seed);
    Aim aim(random);
    for (int i = 0; i < rounds(t); ++i) {
        const auto thread = MUST(t, Sibling::create(t.env, sleep, &sleeper));
        const auto copy = MUST(t, derive(cap::Thread(*thread.operator->()), abi::kAllRights));
        helper.delay = 1000;
        helper.target = copy->slot().raw();
        delay_ticks(aim.next());
        const Error mine = error_of(thread->start());
        REQUIRE(t, finished(t, helper));
        const Error theirs = error_of(helper.outcome.load());
        REQUIRE(t, mine == Error::kOk || mine == Error::kWrongState);
        REQUIRE(t, theirs == Error::kOk || theirs == Error::kWrongState);
        REQUIRE(t, (mine == Error::kOk) != (theirs == Error::kOk));
        mine == Error::kOk ? aim.was_too_early() : aim.was_too_late();
        REQUIRE(t, thread.wait());
        REQUIRE_EQUAL(t, sleeper.woken.load(), 0u);
    }
}

void kill_process(Helper& h, abi::CapSlot slot) {
    h.outcome = cap::cap_call(slot, abi::Op::kKillProcess, 1).result;
}

// A process is killed while this thread works on it: what comes too late says so.
void work_on_the_dying(Case& t) {
    Helper helper{t.env, kill_process};
    const auto killer = MUST(t, Sibling::start(t.env, help, &helper, on_last_cpu(t)));
    const Owned memory(MUST(t, t.env.process.create_memory(4)));
    Random random(t.seed);
    for (int i = 0; i < rounds(t); ++i) {
        const Owned process(MUST(t, t.env.process.create_process("dying")));
        const auto copy = MUST(t, derive(*process, abi::kAllRights));
        helper.delay = random.below(60'000);
        helper.target = copy->slot().raw();
        abi::ThreadParams params{};
        params.ring_address = 0x20'0000;
        Error error = Error::kOk;
        for (std::uint64_t step = 0; error == Error::kOk; ++step) {
            switch (step % 5) {
                case 0: error = error_of(process->map(*memory, 0x10'0000, 0, 4, kReadWrite)); break;
                case 1: error = error_of(process->protect(0x10'0000, 4, abi::kRead)); break;
                case 2: error = error_of(process->give(memory->slot(), abi::kRead)); break;
                case 3: error = error_of(process->unmap(0x10'0000, 4)); break;
                default:
                    if (const auto thread = process->create_thread(params)) {
                        const Owned owned(*thread);
                        params.ring_address += 0x1'0000;
                    } else {
                        error = thread.error();
                    }
            }
        }
        REQUIRE_EQUAL(t, error, Error::kWrongState);
        REQUIRE(t, finished(t, helper));
        REQUIRE_EQUAL(t, helper.outcome.load(), 0);
        REQUIRE_EQUAL(t, MUST(t, process->wait_exit(t.env.ring, patience_ns)), 1u);
    }
}

// Slots are dropped and used at the same time.
void drop_in_use(Case& t) {
    Helper helper{
        t.env, [](Helper& h, abi::CapSlot slot) { h.outcome = cap::cap_call(slot, abi::Op::kDrop).result; }};
    const auto dropper = MUST(t, Sibling::start(t.env, help, &helper, on_last_cpu(t)));
    Random random(t.seed);
    for (int i = 0; i < rounds(t); ++i) {
        const cap::Notification bell = MUST(t, t.env.process.create_notification());
        helper.delay = random.below(5000);
        helper.target = bell.slot().raw();
        Error error = Error::kOk;
        while (error == Error::kOk) {
            error = error_of(bell.signal(1));
        }
        REQUIRE_EQUAL(t, error, Error::kStaleSlot);
        REQUIRE(t, finished(t, helper));
        REQUIRE_EQUAL(t, helper.outcome.load(), 0);
    }
}

// A thread is killed by two at once, and moved meanwhile.
void two_killers(Case& t) {
    Helper helper{t.env, [](Helper& h, abi::CapSlot slot) {
                      h.outcome = cap::cap_call(slot, abi::Op::kKillThread, 1).result;
                  }};
    const auto killer = MUST(t, Sibling::start(t.env, help, &helper, on_last_cpu(t)));
    const auto toss = [](cap::Ring&, void*) -> std::uint64_t {
        for (;;) {
            (void)cap::cap_enter(1, 5 * kMicrosecond);
        }
    };
    Random random(t.seed);
    for (int i = 0; i < rounds(t); ++i) {
        const auto thread = MUST(t, Sibling::start(t.env, toss, nullptr));
        const auto copy = MUST(t, derive(cap::Thread(*thread.operator->()), abi::kAllRights));
        helper.delay = random.below(30'000);
        helper.target = copy->slot().raw();
        REQUIRE_OK(t, thread->set_affinity(only(random.below(t.cpus()))));
        delay_ticks(random.below(30'000));
        REQUIRE_OK(t, thread->kill(2));
        REQUIRE(t, finished(t, helper));
        REQUIRE(t, thread.wait());
    }
}

constexpr Entry kCases[] = {
    {"two_starters", two_starters},
    {"work_on_the_dying", work_on_the_dying},
    {"drop_in_use", drop_in_use},
    {"two_killers", two_killers},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "races", kCases); }
