// SPDX-License-Identifier: MIT
#include "kernel/call_enter.hpp"

#include "arch/timer.hpp"
#include "kernel/address_space.hpp"
#include "kernel/calls.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/process.hpp"
#include "kernel/timers.hpp"

namespace cox {

using abi::Error;

namespace {

// Runs a submission, copied by now; its completion is posted now or later. The thread itself is not waiting, so no wake.
[[gnu::noinline]] void run_submission(Thread& thread, const abi::Submission& entry) {
    const PendingOp pending{thread.ref, entry.user_data};
    core::Result<Reply> reply = core::fail(Error::kBadArgument);
    if (entry.reserved == 0 && !(entry.flags & ~abi::kQuietSuccess))
        reply = invoke({thread, abi::CapSlot::from_raw(entry.slot), entry.op, entry.args, &pending});
    if (reply && reply->pending) return thread.ring.keep_in_flight();
    if (reply && entry.flags & abi::kQuietSuccess) return;
    if (reply)
        thread.ring.complete_now(entry.user_data, reply->value, reply->second);
    else
        thread.ring.complete_now(entry.user_data, static_cast<std::int64_t>(reply.error()), 0);
}

// Operations that do nothing but answer are done on the spot: their entry is read once, field by field.
void run_batch(Thread& thread, std::uint32_t size) {
    Ring& ring = thread.ring;
    const CapTable& caps = thread.process->caps;
    for (std::uint32_t i = 0; i < size; ++i) {
        const volatile abi::Submission& entry = ring.submission(i);
        constexpr auto kPlainNop = static_cast<std::uint64_t>(abi::Op::kNop);
        if (Ring::head_word(entry) == kPlainNop && caps.holds(abi::CapSlot::from_raw(entry.slot))) {
            ring.complete_now(entry.user_data, nop_result(entry.args[0]), 0);
            continue;
        }
        run_submission(thread, ring.copy(i));
        serve_shootdown(this_cpu());  // a batch may be long: the others need not wait for its end
    }
    ring.end_batch(size);
}

// At most one queue of entries; `done`: how many. kBadArgument: the queue's indices are nonsense. kQueueFull: entries were
// left. A batch of quiet ones makes room for another.
Error submit_all(Thread& thread, std::uint32_t& done) {
    for (;;) {
        const auto batch = thread.ring.begin_batch(abi::kSqEntries - done);
        if (batch.size) run_batch(thread, batch.size);
        done += batch.size;
        if (batch.size != 0 && batch.outcome != Error::kOk) continue;
        thread.ring.publish_head();
        return batch.outcome;
    }
}

}  // namespace

extern "C" CallResult call_enter(std::uint64_t wanted, std::uint64_t timeout) {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.current;
    std::uint32_t consumed = 0;
    const auto result = [&](std::int64_t value) { return CallResult{value, consumed}; };
    if (wanted > abi::kCqEntries) return result(static_cast<std::int64_t>(Error::kBadArgument));
    // What stands in the way of more is in the completion queue already: the caller takes that first.
    if (const auto outcome = submit_all(thread, consumed); outcome != Error::kOk)
        return result(static_cast<std::int64_t>(outcome));
    const auto ready = thread.ring.ready();
    if (ready >= wanted) return result(ready);
    if (timeout == 0) return result(static_cast<std::int64_t>(Error::kTimedOut));
    thread.enter = {static_cast<std::uint32_t>(wanted), consumed, timeout};
    cpu.exit_work |= kWaitInEnter;
    return result(0);
}

namespace {

void set_result(Thread& thread, std::int64_t result) {
    thread.frame.rax = static_cast<std::uint64_t>(result);
    thread.frame.rdx = thread.enter.consumed;
}

}  // namespace

void wait_in_enter(Cpu& cpu, Thread& thread) {
    const auto timeout = thread.enter.timeout_ns;
    const auto deadline = timeout == abi::kForever ? kNever : arch::rdtsc() + arch::clock.to_ticks(timeout);
    if (!thread.ring.begin_wait(thread.enter.wanted, deadline))
        return set_result(thread, thread.ring.ready());
    thread.timed_out = false;
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
