// SPDX-License-Identifier: MIT
#include "kernel/call_enter.hpp"

#include "arch/timer.hpp"
#include "kernel/address_space.hpp"
#include "kernel/calls.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/timers.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;

namespace {

void set_result(Thread& thread, std::int64_t result) {
    thread.frame.rax = static_cast<std::uint64_t>(result);
    thread.frame.rdx = thread.consumed;
}

// Runs one submission; its completion is posted now or later. The thread itself is not waiting, so no wake.
void run_submission(Thread& thread, const abi::Submission& entry) {
    const PendingOp pending{thread.ref, entry.user_data};
    bool stays = false;
    std::int64_t result = 0;
    std::uint64_t second = 0;
    if (entry.reserved != 0 || entry.flags & ~abi::kQuietSuccess) {
        result = static_cast<std::int64_t>(Error::kBadArgument);
    } else {
        const auto reply =
            invoke({thread, abi::CapSlot::from_raw(entry.slot), entry.op, entry.args, &pending});
        if (reply) {
            stays = reply->pending;
            result = reply->value;
            second = reply->second;
        } else {
            result = static_cast<std::int64_t>(reply.error());
        }
    }
    if (stays) return;
    if (result >= 0 && entry.flags & abi::kQuietSuccess) return thread.ring.finish_quietly();
    bool dropped = false;
    const bool woken = thread.ring.post({entry.user_data, result, second, 0}, dropped);
    COX_ASSERT(!woken);
}

// At most one queue of entries. kBadArgument: the queue's indices are nonsense. kQueueFull: entries were left.
core::Result<void> submit_all(Thread& thread) {
    core::Result<void> outcome{};
    for (std::uint32_t i = 0; i < abi::kSqEntries; ++i) {
        const auto entry = thread.ring.next_submission();
        if (!entry) {
            outcome = core::fail(entry.error());
            break;
        }
        if (!*entry) break;
        ++thread.consumed;
        run_submission(thread, **entry);
        serve_shootdown(this_cpu());  // a batch may be long: the others need not wait for its end
    }
    thread.ring.publish_head();
    return outcome;
}

}  // namespace

void call_enter(Cpu& cpu, Thread& thread) {
    const std::uint64_t wanted = thread.frame.rdi, timeout = thread.frame.rsi;
    thread.consumed = 0;
    if (wanted > abi::kCqEntries) return set_result(thread, static_cast<std::int64_t>(Error::kBadArgument));
    if (const auto submitted = submit_all(thread); !submitted) {
        // What stands in the way of more is in the completion queue already: the caller takes that first.
        return set_result(thread, static_cast<std::int64_t>(submitted.error()));
    }
    thread.timed_out = false;
    if (wanted == 0) return set_result(thread, thread.ring.ready());
    if (timeout == 0) {
        const auto ready = thread.ring.ready();
        return set_result(thread, ready >= wanted ? ready : static_cast<std::int64_t>(Error::kTimedOut));
    }
    const auto deadline = timeout == abi::kForever ? kNever : arch::rdtsc() + arch::clock.to_ticks(timeout);
    if (!thread.ring.begin_wait(static_cast<std::uint32_t>(wanted), deadline))
        return set_result(thread, thread.ring.ready());
    if (deadline != kNever) arm_timeout(cpu, thread, deadline);
    thread.waiting_in_enter = true;
    block_current(cpu);
}

void finish_enter(Cpu& cpu, Thread& thread) {
    thread.waiting_in_enter = false;
    disarm_timeout(cpu, thread);
    if (std::exchange(thread.timed_out, false))
        return set_result(thread, static_cast<std::int64_t>(Error::kTimedOut));
    set_result(thread, thread.ring.ready());
}

}  // namespace cox
