// SPDX-License-Identifier: MIT
//
// How processes end, and what is left of them: docs/abi.md, "Process".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kKilled = 77;

void exit_code(Case& t) {
    const auto child = MUST(t, Child::start(t.env, "mode=exit value=42"));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 42u);
}

// A result is never negative, so an exit code has 63 bits.
void exit_code_bits(Case& t) {
    const auto child = MUST(t, Child::start(t.env, "mode=exit_raw value=0xffffffffffffffff"));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 0x7fff'ffff'ffff'ffffu);
}

void exit_by_own_capability(Case& t) {
    const auto child = MUST(t, Child::start(t.env, "mode=exit_all value=43"));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 43u);
}

void last_thread_decides(Case& t) {
    const auto child = MUST(t, Child::start(t.env, "mode=sibling_last value=9"));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 9u);
}

void wait_before_and_after(Case& t) {
    const auto child = MUST(t, Child::start(t.env, "mode=wait"));
    REQUIRE_ERROR(t, child->process.wait_exit(t.env.ring, kMillisecond), Error::kTimedOut);
    // While a wait is in flight, nobody else can wait.
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(abi::Op::kWaitExit, child->process.slot(), 1)));
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(0)), 0u);
    REQUIRE_ERROR(t, child->process.wait_exit(t.env.ring, kMillisecond), Error::kBusy);
    REQUIRE_OK(t, child->process.kill(5));
    REQUIRE_EQUAL(t, MUST(t, t.env.ring.submit_and_wait(1)), 1u);
    REQUIRE_EQUAL(t, t.env.ring.next()->result, 5);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto code = child->process.wait_exit(t.env.ring, kMillisecond);
                    return code && *code == 5;
                }));
    }
}

void kill_each_state(Case& t) {
    struct State {
        std::string_view arguments;
        bool start;
    };
    constexpr State kStates[] = {{"mode=spin", true}, {"mode=wait", true}, {"mode=spin", false}};
    for (const State& state : kStates) {
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            const auto child =
                MUST(t, Child::create(t.env, state.arguments, {.affinity = std::uint64_t{1} << cpu}));
            if (state.start) {
                REQUIRE_OK(t, child->thread.start());
                sleep_ns(2 * kMillisecond);
            }
            REQUIRE_OK(t, child->process.kill(kKilled));
            REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kKilled);
            REQUIRE_EQUAL(t, MUST(t, child->thread.status()).word.state(), abi::ThreadState::kGone);
            REQUIRE_OK(t, child->process.kill(1));  // it has gone already, and keeps its code
            REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kKilled);
        }
    }
}

void kill_without_threads(Case& t) {
    const Owned process(MUST(t, t.env.process.create_process("empty")));
    REQUIRE_OK(t, process->kill(kKilled));
    REQUIRE_EQUAL(t, MUST(t, process->wait_exit(t.env.ring, patience_ns)), kKilled);
}

void kill_crowd(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const cap::GivenCap caps[] = {{"bell", bell->slot(), abi::kWrite}};
    const auto child = MUST(t, Child::create(t.env, "mode=crowd", {.caps = caps}));
    REQUIRE_OK(t, child->thread.start());
    REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 1u);
    REQUIRE_OK(t, child->process.kill(kKilled));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kKilled);
}

// Ended by one of its own threads, while the others run on all CPUs, wait, are joined and suspended.
void crowd_ends_itself(Case& t) {
    for (std::uint64_t i = 1; i <= 5; ++i) {
        const Owned bell(MUST(t, t.env.process.create_notification()));
        const cap::GivenCap caps[] = {{"bell", bell->slot(), abi::kWrite}};
        cap::LineBuffer<40> arguments;
        arguments.print("mode=crowd value={}", 100 + i);
        const auto child = MUST(t, Child::create(t.env, arguments.view(), {.caps = caps}));
        REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), 100 + i);
        REQUIRE_EQUAL(t, MUST(t, bell->poll()), 1u);
        REQUIRE_EQUAL(t, MUST(t, child->thread.status()).word.state(), abi::ThreadState::kGone);
    }
}

void operations_on_the_gone(Case& t) {
    const auto child = MUST(t, Child::start(t.env, "mode=exit value=1"));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 1u);
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const cap::Process& gone = child->process;
    REQUIRE_ERROR(t, gone.map(*memory, 0x10'0000, 0, 1, abi::kRead), Error::kWrongState);
    REQUIRE_ERROR(t, gone.unmap(0x10'0000, 1), Error::kWrongState);
    REQUIRE_ERROR(t, gone.protect(0x10'0000, 1, abi::kRead), Error::kWrongState);
    REQUIRE_ERROR(t, gone.give(memory->slot(), abi::kRead), Error::kWrongState);
    abi::ThreadParams params{};
    params.ring_address = 0x20'0000;
    REQUIRE_ERROR(t, gone.create_thread(params), Error::kWrongState);
    REQUIRE_ERROR(t, child->thread.start(), Error::kWrongState);
    REQUIRE_OK(t, child->thread.kill(1));
    // What is created is the caller's, not the named process's.
    const Owned notification(MUST(t, gone.create_notification()));
    REQUIRE_OK(t, notification->signal(1));
}

void two_waiters(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto watched = MUST(t, Child::start(t.env, "mode=wait"));
    const cap::GivenCap caps[] = {{"watched", watched->process.slot(), abi::kRead},
                                  {"bell", bell->slot(), abi::kWrite}};
    {
        const auto waiter = MUST(t, Child::create(t.env, "mode=wait_exit", {.caps = caps}));
        REQUIRE_OK(t, waiter->thread.start());
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = waiter->thread.status();
                    return status && status->word.state() == abi::ThreadState::kWaiting;
                }));
        REQUIRE_ERROR(t, watched.wait(t.env), Error::kBusy);
        REQUIRE_OK(t, waiter->process.kill(1));
        REQUIRE_OK(t, waiter.wait(t.env));
        // A waiter that has gone makes room, though its thread is still referred to.
        REQUIRE_OK(t, watched->process.kill(kKilled));
    }
    REQUIRE_EQUAL(t, MUST(t, watched.wait(t.env)), kKilled);
}

void waiter_dies(Case& t) {
    const auto watched = MUST(t, Child::start(t.env, "mode=wait"));
    const cap::GivenCap caps[] = {{"watched", watched->process.slot(), abi::kRead}};
    const auto waiter = MUST(t, Child::create(t.env, "mode=wait_exit", {.caps = caps}));
    REQUIRE_OK(t, waiter->thread.start());
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto status = waiter->thread.status();
                return status && status->word.state() == abi::ThreadState::kWaiting;
            }));
    REQUIRE_OK(t, waiter->process.kill(1));
    REQUIRE_OK(t, waiter.wait(t.env));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(abi::Op::kWaitExit, watched->process.slot(), 3)));
    REQUIRE_ERROR(t, t.env.ring.submit_and_wait(1, kMillisecond), Error::kTimedOut);
    REQUIRE_OK(t, watched->process.kill(kKilled));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
    const auto completion = t.env.ring.next();
    REQUIRE_EQUAL(t, completion->user_data, 3u);
    REQUIRE_EQUAL(t, static_cast<std::uint64_t>(completion->result), kKilled);
}

// The last capability goes while somebody waits.
void dropped_while_waited_for(Case& t) {
    const cap::Process process = MUST(t, t.env.process.create_process("dropped"));
    const auto tag = std::uint64_t{1};
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(abi::Op::kWaitExit, process.slot(), tag)));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(0));
    process.drop();
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
    const auto completion = t.env.ring.next();
    REQUIRE(t, completion.has_value());
    REQUIRE_EQUAL(t, completion->user_data, tag);
    REQUIRE_EQUAL(t, static_cast<Error>(completion->result), Error::kGone);
}

// A process's capabilities go with it: the last one to a notification ends the wait for it.
void table_is_cleared(Case& t) {
    Owned bell(MUST(t, t.env.process.create_notification()));
    const cap::GivenCap caps[] = {{"bell", bell->slot(), abi::kWrite}};
    const auto child = MUST(t, Child::create(t.env, "mode=wait", {.caps = caps}));
    REQUIRE_OK(t, child->thread.start());
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(abi::Op::kWaitBits, bell->slot(), 2)));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(0));
    bell = Owned<cap::Notification>();
    REQUIRE_ERROR(t, t.env.ring.submit_and_wait(1, kMillisecond), Error::kTimedOut);
    REQUIRE_OK(t, child->process.kill(0));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
    const auto completion = t.env.ring.next();
    REQUIRE(t, completion.has_value());
    REQUIRE_EQUAL(t, static_cast<Error>(completion->result), Error::kGone);
}

constexpr Entry kCases[] = {
    {"exit_code", exit_code},
    {"exit_code_bits", exit_code_bits},
    {"exit_by_own_capability", exit_by_own_capability},
    {"last_thread_decides", last_thread_decides},
    {"wait_before_and_after", wait_before_and_after},
    {"kill_each_state", kill_each_state},
    {"kill_without_threads", kill_without_threads},
    {"kill_crowd", kill_crowd},
    {"crowd_ends_itself", crowd_ends_itself},
    {"operations_on_the_gone", operations_on_the_gone},
    {"two_waiters", two_waiters},
    {"waiter_dies", waiter_dies},
    {"dropped_while_waited_for", dropped_while_waited_for},
    {"table_is_cleared", table_is_cleared},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "process_exit", kCases); }
