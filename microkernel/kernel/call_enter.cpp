// SPDX-License-Identifier: MIT
#include "kernel/call_enter.hpp"

#include "arch/timer.hpp"
#include "kernel/address_space.hpp"
#include "kernel/calls.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/message_batch.hpp"
#include "kernel/poller.hpp"
#include "kernel/process.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/timers.hpp"

namespace cox {

using abi::Error;

namespace {

// Runs a submission of the thread, here or in its poller; its completion is posted now or later. No wake: the thread itself is
// not waiting, and a poller looks afterwards.
[[gnu::noinline]] void run_operation(Thread& thread, const abi::Submission& entry) {
    Ring& ring = thread.ring;
    const bool linked = entry.flags & abi::kLink;
    const PendingOp pending{{thread.ref.index | (linked ? PendingOp::kLinked : 0), thread.ref.generation},
                            entry.user_data};
    if (linked) ring.set_link(Ring::Link::kHeld);  // before it can complete elsewhere
    core::Result<Reply> reply = core::fail(Error::kBadArgument);
    if (entry.reserved == 0 && !(entry.flags & ~(abi::kQuietSuccess | abi::kLink)))
        reply = invoke({thread, abi::CapSlot::from_raw(entry.slot), entry.op, entry.args, &pending});
    if (reply && reply->pending) return;  // its completion stays reserved
    if (linked) ring.set_link(reply && reply->value >= 0 ? Ring::Link::kNone : Ring::Link::kBroken);
    if (reply && entry.flags & abi::kQuietSuccess)
        ring.forgo();
    else if (reply)
        ring.complete(entry.user_data, reply->value, reply->second);
    else
        ring.complete(entry.user_data, static_cast<std::int64_t>(reply.error()), 0);
}

// Answers the operation that does nothing, if its slot names something. A slot that was looked up is not looked up again in
// the same run: nothing of this thread's comes in between. begin() looks at the first entry, so that there always is one.
class AnswerNop {
public:
    explicit AnswerNop(const CapTable& caps) : caps_(caps) {}

    bool begin(const volatile abi::Submission& entry) {
        known_ = entry.slot;
        return caps_.holds(abi::CapSlot::from_raw(known_));
    }

    bool operator()(const volatile abi::Submission& entry, std::int64_t& result) {
        // Operation, no flags, nothing reserved, in one word.
        static_assert(offsetof(abi::Submission, slot) == 8);
        const auto head = *reinterpret_cast<const volatile std::uint64_t*>(&entry);
        if (head != static_cast<std::uint64_t>(abi::Op::kNop)) return false;
        const std::uint64_t slot = entry.slot;
        if (slot != known_ && !caps_.holds(abi::CapSlot::from_raw(slot))) return false;
        known_ = slot;
        result = *reinterpret_cast<const volatile std::uint32_t*>(&entry.args[0]);  // nop_result, in one load
        return true;
    }

private:
    const CapTable& caps_;
    std::uint64_t known_ = 0;
};

// Of the frequent operations several at once -> how many. The user may change the entry meanwhile: who takes it looks for himself.
std::uint32_t take_batch(Thread& thread, std::uint32_t limit) {
    const auto op = thread.ring.upcoming().op;
    if (op == abi::Op::kCommit)
        if (SchedDomain* const domain = thread.agent_of.load(std::memory_order_relaxed);
            domain->is_server(*thread.process))
            return domain->commit_plainly(thread, limit);
    if (op == abi::Op::kCall || op == abi::Op::kReplyReceive) return take_messages(thread, limit);
    return 0;
}

// Submissions in order, `limit` at most, after those of `taken`.
[[gnu::noinline]] Ring::Taken run_operations(Thread& thread, Ring::Taken taken, std::uint32_t limit) {
    std::uint32_t done = taken.count;
    while (taken.stop == Ring::Stop::kOperation || taken.stop == Ring::Stop::kMore) {
        const bool operation = taken.stop == Ring::Stop::kOperation;
        const auto batch = operation ? take_batch(thread, limit - done) : 0;
        done += batch;
        if (operation && batch == 0) {
            abi::Submission entry;
            thread.ring.take_operation(entry);
            ++done;
            run_operation(thread, entry);
            serve_shootdown(this_cpu());  // a batch may be long: the others need not wait for its end
        }
        if (batch != 0 && thread.ring.backlog() == 0) return {Ring::Stop::kNoMore, done, thread.ring.ready()};
        taken = thread.ring.take(limit - done, AnswerNop(thread.process->caps));
        done += taken.count;
    }
    return {taken.stop, done, taken.ready};
}

Error error_of(Ring::Stop stop) {
    switch (stop) {
        case Ring::Stop::kFull: return Error::kQueueFull;
        case Ring::Stop::kWrong: return Error::kBadArgument;
        default: return Error::kOk;
    }
}

// Whether there is what the call waits for; else it does wait.
CallResult ready_or_wait(Thread& thread, Ring::Taken taken) {
    const std::uint64_t wanted = thread.frame.rdi, timeout = thread.frame.rsi;
    if (taken.ready >= wanted) return {taken.ready, taken.count};
    if (timeout == 0) return {static_cast<std::int64_t>(Error::kTimedOut), taken.count};
    thread.enter = {static_cast<std::uint32_t>(wanted), taken.count, timeout, kNever};
    this_cpu().exit_work |= kWaitInEnter;
    return {0, taken.count};
}

// Whatever is not simply done: operations, refusals, the wait.
[[gnu::noinline]] CallResult enter_further(Thread& thread, Ring::Taken taken) {
    taken = run_operations(thread, taken, abi::kSqEntries);
    // What stands in the way of more is in the completion queue already: the caller takes that first.
    if (taken.stop != Ring::Stop::kNoMore)
        return {static_cast<std::int64_t>(error_of(taken.stop)), taken.count};
    return ready_or_wait(thread, taken);
}

// Its poller takes what there is, and is woken for it.
[[gnu::noinline]] CallResult enter_polled(Thread& thread) {
    const auto backlog = thread.ring.backlog();
    if (backlog > abi::kSqEntries) return {static_cast<std::int64_t>(Error::kBadArgument), 0};
    if (backlog != 0) wake_poller(thread);
    return ready_or_wait(thread, {Ring::Stop::kNoMore, 0, thread.ring.ready()});
}

}  // namespace

// The arguments are read in the frame when they are needed: that leaves registers for the loop.
extern "C" CallResult call_enter() {
    Thread& thread = current_thread();
    if (thread.frame.rdi > abi::kCqEntries) return {static_cast<std::int64_t>(Error::kBadArgument), 0};
    if (thread.ring.poller()) [[unlikely]]
        return enter_polled(thread);
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

// Written, if the time has passed. Else true: the wait has ended.
bool end_wait(Cpu& cpu, Thread& thread) {
    thread.resume &= ~Thread::kInEnter;
    disarm_timeout(cpu, thread);
    if (!std::exchange(thread.timed_out, false)) return true;
    set_result(thread, static_cast<std::int64_t>(Error::kTimedOut));
    return false;
}

bool begin_wait(Thread& thread) {
    return thread.enter.wanted == Thread::kForEvents
               ? thread.agent_of.load()->begin_sleep(thread, thread.enter.deadline)
               : thread.ring.begin_wait(thread.enter.wanted, thread.enter.deadline);
}

// True: it has left the CPU, or the time has passed. False: it has what it waits for, or something to do.
bool wait(Cpu& cpu, Thread& thread) {
    // Before the wait begins: a timer node that was left elsewhere may end it at once.
    thread.timed_out = false;
    if (!begin_wait(thread)) return false;
    if (thread.enter.deadline != kNever) arm_timeout(cpu, thread, thread.enter.deadline);
    thread.resume |= Thread::kInEnter;
    return block_current(cpu) || !end_wait(cpu, thread);
}

// Whatever a link had held back is done, at most a queue of entries; then the thread waits on, or has its result. False:
// the thread may have left the CPU.
bool go_on(Cpu& cpu, Thread& thread) {
    for (std::uint32_t done = 0; thread.ring.released();) {
        const std::uint32_t limit = abi::kSqEntries - done;
        const auto taken = run_operations(thread, {Ring::Stop::kMore, 0, 0}, limit);
        done += taken.count;
        thread.enter.consumed += taken.count;
        const auto outcome = limit == 0 ? Error::kQueueFull : error_of(taken.stop);
        if (outcome != Error::kOk)
            set_result(thread, static_cast<std::int64_t>(outcome));
        else if (!wait(cpu, thread))
            continue;
        return false;
    }
    set_result(thread, thread.ring.ready());
    return false;
}

}  // namespace

std::uint32_t take_submissions(Thread& thread, std::uint32_t limit) {
    return run_operations(thread, {Ring::Stop::kMore, 0, 0}, limit).count;
}

void wait_in_enter(Cpu& cpu, Thread& thread) {
    if (thread.enter.timeout_ns != abi::kForever)
        thread.enter.deadline = arch::rdtsc() + arch::clock.to_ticks(thread.enter.timeout_ns);
    if (!wait(cpu, thread)) go_on(cpu, thread);
}

bool finish_enter(Cpu& cpu, Thread& thread) {
    if (!end_wait(cpu, thread)) return true;
    const auto ready = thread.ring.ready_unless_released();
    if (!ready) return go_on(cpu, thread);
    set_result(thread, *ready);
    return true;
}

}  // namespace cox
