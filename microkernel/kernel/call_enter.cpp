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

// Runs a submission; its completion is posted now or later. The thread itself is not waiting, so no wake.
[[gnu::noinline]] void run_operation(Thread& thread, const abi::Submission& entry) {
    const PendingOp pending{thread.ref, entry.user_data};
    core::Result<Reply> reply = core::fail(Error::kBadArgument);
    if (entry.reserved == 0 && !(entry.flags & ~abi::kQuietSuccess))
        reply = invoke({thread, abi::CapSlot::from_raw(entry.slot), entry.op, entry.args, &pending});
    if (reply && reply->pending) return;  // its completion stays reserved
    if (reply && entry.flags & abi::kQuietSuccess)
        thread.ring.forgo();
    else if (reply)
        thread.ring.complete(entry.user_data, reply->value, reply->second);
    else
        thread.ring.complete(entry.user_data, static_cast<std::int64_t>(reply.error()), 0);
}

// Answers the operation that does nothing, if its slot names something. A slot that was looked up is not looked up again in
// the same run: nothing of this thread's comes in between.
class AnswerNop {
public:
    explicit AnswerNop(const CapTable& caps) : caps_(caps) {}

    bool operator()(const volatile abi::Submission& entry, std::int64_t& result) {
        // Operation, no flags, nothing reserved, in one word.
        static_assert(offsetof(abi::Submission, slot) == 8);
        const auto head = *reinterpret_cast<const volatile std::uint64_t*>(&entry);
        if (head != static_cast<std::uint64_t>(abi::Op::kNop)) return false;
        const std::uint64_t slot = entry.slot;
        if (slot != known_ && !caps_.holds(abi::CapSlot::from_raw(slot))) return false;
        known_ = slot;
        result = nop_result(entry.args[0]);
        return true;
    }

private:
    const CapTable& caps_;
    std::uint64_t known_ = 0;
};

// Submissions in order, `limit` at most, from an operation on.
[[gnu::noinline]] Ring::Taken run_operations(Thread& thread, std::uint32_t limit) {
    std::uint32_t done = 0;
    for (;;) {
        abi::Submission operation;
        thread.ring.take_operation(operation);
        ++done;
        run_operation(thread, operation);
        serve_shootdown(this_cpu());  // a batch may be long: the others need not wait for its end
        const auto taken = thread.ring.take(limit - done, AnswerNop(thread.process->caps));
        done += taken.count;
        if (taken.stop != Ring::Stop::kOperation) return {taken.stop, done, taken.ready};
    }
}

Error error_of(Ring::Stop stop) {
    switch (stop) {
        case Ring::Stop::kFull: return Error::kQueueFull;
        case Ring::Stop::kWrong: return Error::kBadArgument;
        default: return Error::kOk;
    }
}

// Whatever is not simply done: operations, refusals, the wait.
[[gnu::noinline]] CallResult enter_further(Thread& thread, Ring::Taken taken) {
    const std::uint64_t wanted = thread.frame.rdi, timeout = thread.frame.rsi;
    auto consumed = taken.count;
    if (taken.stop == Ring::Stop::kOperation) {
        taken = run_operations(thread, abi::kSqEntries - consumed);
        consumed += taken.count;
    }
    const auto result = [&](std::int64_t value) { return CallResult{value, consumed}; };
    // What stands in the way of more is in the completion queue already: the caller takes that first.
    if (taken.stop != Ring::Stop::kNoMore) return result(static_cast<std::int64_t>(error_of(taken.stop)));
    if (taken.ready >= wanted) return result(taken.ready);
    if (timeout == 0) return result(static_cast<std::int64_t>(Error::kTimedOut));
    thread.enter = {static_cast<std::uint32_t>(wanted), consumed, timeout};
    this_cpu().exit_work |= kWaitInEnter;
    return result(0);
}

}  // namespace

// The arguments are read in the frame when they are needed: that leaves registers for the loop.
extern "C" CallResult call_enter() {
    Thread& thread = current_thread();
    if (thread.frame.rdi > abi::kCqEntries) return {static_cast<std::int64_t>(Error::kBadArgument), 0};
    const auto taken =
        thread.ring.take(abi::kSqEntries, AnswerNop(thread.process->caps));  // at most one queue
    if (taken.stop == Ring::Stop::kNoMore && taken.ready >= thread.frame.rdi)
        return {taken.ready, taken.count};
    return enter_further(thread, taken);
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
