// SPDX-License-Identifier: MIT
// System calls that neither block nor switch.
#include "bench.hpp"

namespace {

namespace abi = cox::abi;

using bench::Operation;

cap::Result<void> null_call(const cap::Env& env, std::uint64_t count) {
    const abi::CapSlot slot = env.thread.slot();
    for (std::uint64_t i = 0; i < count; ++i) {
        (void)cap::cap_call(slot, abi::Op::kNop);
    }
    return {};
}

cap::Result<void> poll_empty(const cap::Env& env, std::uint64_t count) {
    const cap::Notification bell = TRY(env.process.create_notification());
    for (std::uint64_t i = 0; i < count; ++i) {
        (void)cap::cap_call(bell.slot(), abi::Op::kPollBits);
    }
    bell.drop();
    return {};
}

cap::Result<void> signal_nobody(const cap::Env& env, std::uint64_t count) {
    const cap::Notification bell = TRY(env.process.create_notification());
    for (std::uint64_t i = 0; i < count; ++i) {
        (void)cap::cap_call(bell.slot(), abi::Op::kSignal, 1);
    }
    bell.drop();
    return {};
}

cap::Result<void> enter_nop(const cap::Env& env, std::uint64_t count) {
    const auto entry = cap::submission(abi::Op::kNop, env.thread.slot());
    cap::Ring& ring = env.ring;
    for (std::uint64_t i = 0; i < count; ++i) {
        TRY(ring.prepare(entry));
        TRY(ring.submit_and_wait(1));
        (void)ring.next();
    }
    return {};
}

// The count is per entry.
cap::Result<void> enter_nop_of_32(const cap::Env& env, std::uint64_t count) {
    constexpr std::uint64_t kBatch = 32;
    const auto entry = cap::submission(abi::Op::kNop, env.thread.slot());
    cap::Ring& ring = env.ring;
    for (std::uint64_t i = 0; i < count; i += kBatch) {
        for (std::uint64_t j = 0; j < kBatch; ++j) {
            TRY(ring.prepare(entry));
        }
        TRY(ring.submit_and_wait(kBatch));
        ring.drain([](const abi::Completion&) {});
    }
    return {};
}

// The same through a poller on the same CPU: the call is a yield, there and back. Last: the ring has had a poller then.
cap::Result<void> polled_nop_of_32(const cap::Env& env, std::uint64_t count) {
    constexpr std::uint64_t kBatch = 32;
    const auto entry = cap::submission(abi::Op::kNop, env.thread.slot());
    cap::Ring& ring = env.ring;
    const cap::Thread poller = TRY(env.thread.poll(ring));
    for (std::uint64_t i = 0; i < count; i += kBatch) {
        for (std::uint64_t j = 0; j < kBatch; ++j) {
            TRY(ring.prepare(entry));
        }
        env.thread.yield();
        ring.drain([](const abi::Completion&) {});
    }
    TRY(poller.kill(0));
    TRY(poller.join(ring));
    poller.drop();
    return {};
}

constexpr Operation kOperations[] = {
    {"null_call", 20'000, null_call},
    {"poll_empty", 20'000, poll_empty},
    {"signal_nobody", 20'000, signal_nobody},
    {"enter_nop", 20'000, enter_nop},
    {"enter_nop_of_32", 32'000, enter_nop_of_32},
    {"polled_nop_of_32", 32'000, polled_nop_of_32},
};

}  // namespace

int cap_main(const cap::Env& env) { return bench::run(env, kOperations); }
