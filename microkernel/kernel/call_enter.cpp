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
// What becomes of the next one.
[[gnu::noinline]] Ring::Link run_submission(Thread& thread, const abi::Submission& entry) {
    using Link = Ring::Link;
    Ring& ring = thread.ring;
    const bool linked = entry.flags & abi::kLink;
    const PendingOp pending{{thread.ref.index | (linked ? PendingOp::kLinked : 0), thread.ref.generation},
                            entry.user_data};
    if (linked) ring.set_link(Link::kHeld);  // before it can complete elsewhere
    core::Result<Reply> reply = core::fail(Error::kBadArgument);
    if (entry.reserved == 0 && !(entry.flags & ~(abi::kQuietSuccess | abi::kLink)))
        reply = invoke({thread, abi::CapSlot::from_raw(entry.slot), entry.op, entry.args, &pending});
    if (reply && reply->pending) {
        ring.keep_in_flight();
        return linked ? ring.link() : Link::kNone;
    }
    if (!reply)
        ring.complete_now(entry.user_data, static_cast<std::int64_t>(reply.error()), 0);
    else if (!(entry.flags & abi::kQuietSuccess))
        ring.complete_now(entry.user_data, reply->value, reply->second);
    if (!linked) return Link::kNone;
    const Link next = reply && reply->value >= 0 ? Link::kNone : Link::kBroken;
    ring.set_link(next);
    return next;
}

// The rest of a broken chain, from entry `i` on, as far as the batch goes. Where it ends.
[[gnu::noinline]] std::uint32_t cancel_chain(Ring& ring, std::uint32_t i, std::uint32_t size) {
    for (bool more = true; more && i < size; ++i) {
        const auto entry = ring.copy(i);
        ring.complete_now(entry.user_data, static_cast<std::int64_t>(Error::kCancelled), 0);
        more = entry.flags & abi::kLink;
        if (!more) ring.set_link(Ring::Link::kNone);
    }
    return i;
}

// Operations that do nothing but answer, from entry `i` on, are done on the spot: their entry is read once, field by
// field. The first that is none.
std::uint32_t run_nops(Ring& ring, const CapTable& caps, std::uint32_t i, std::uint32_t size) {
    for (; i < size; ++i) {
        const volatile abi::Submission& entry = ring.submission(i);
        constexpr auto kPlainNop = static_cast<std::uint64_t>(abi::Op::kNop);
        if (Ring::head_word(entry) != kPlainNop || !caps.holds(abi::CapSlot::from_raw(entry.slot))) break;
        ring.complete_now(entry.user_data, nop_result(entry.args[0]), 0);
    }
    return i;
}

// How many entries are done: fewer, if one holds back the others.
std::uint32_t run_batch(Thread& thread, Ring::Batch batch) {
    Ring& ring = thread.ring;
    std::uint32_t i = 0;
    if (batch.broken) [[unlikely]]
        i = cancel_chain(ring, 0, batch.size);
    while ((i = run_nops(ring, thread.process->caps, i, batch.size)) != batch.size) {
        const auto next = run_submission(thread, ring.copy(i++));
        serve_shootdown(this_cpu());  // a batch may be long: the others need not wait for its end
        if (next == Ring::Link::kHeld) break;
        if (next == Ring::Link::kBroken) i = cancel_chain(ring, i, batch.size);
    }
    ring.end_batch(i, batch.size);
    return i;
}

// At most one queue of entries; `done`: how many. kBadArgument: the queue's indices are nonsense. kQueueFull: entries were
// left. A batch of quiet ones makes room for another.
Error submit_all(Thread& thread, std::uint32_t& done) {
    for (;;) {
        const auto batch = thread.ring.begin_batch(abi::kSqEntries - done);
        const auto ran = batch.size ? run_batch(thread, batch) : 0;
        done += ran;
        if (batch.size != 0 && (batch.outcome != Error::kOk || ran != batch.size)) continue;
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
    thread.enter = {static_cast<std::uint32_t>(wanted), consumed, timeout, kNever};
    cpu.exit_work |= kWaitInEnter;
    return result(0);
}

namespace {

void set_result(Thread& thread, std::int64_t result) {
    thread.frame.rax = static_cast<std::uint64_t>(result);
    thread.frame.rdx = thread.enter.consumed;
}

// Written, if the time has passed. Else true: the wait has ended.
bool end_wait(Cpu& cpu, Thread& thread) {
    thread.waiting_in_enter = false;
    disarm_timeout(cpu, thread);
    if (!std::exchange(thread.timed_out, false)) return true;
    set_result(thread, static_cast<std::int64_t>(Error::kTimedOut));
    return false;
}

// True: it has left the CPU, or the time has passed. False: it has what it waits for, or something to do.
bool wait(Cpu& cpu, Thread& thread) {
    if (!thread.ring.begin_wait(thread.enter.wanted, thread.enter.deadline)) return false;
    thread.timed_out = false;
    if (thread.enter.deadline != kNever) arm_timeout(cpu, thread, thread.enter.deadline);
    thread.waiting_in_enter = true;
    return block_current(cpu) || !end_wait(cpu, thread);
}

// Whatever a link had held back is done, at most a queue of entries; then the thread waits on, or has its result.
[[gnu::noinline]] void go_on(Cpu& cpu, Thread& thread) {
    for (std::uint32_t done = 0; thread.ring.released();) {
        const auto before = done;
        const auto outcome = done < abi::kSqEntries ? submit_all(thread, done) : Error::kQueueFull;
        thread.enter.consumed += done - before;
        if (outcome != Error::kOk) return set_result(thread, static_cast<std::int64_t>(outcome));
        if (wait(cpu, thread)) return;
    }
    set_result(thread, thread.ring.ready());
}

}  // namespace

void wait_in_enter(Cpu& cpu, Thread& thread) {
    if (thread.enter.timeout_ns != abi::kForever)
        thread.enter.deadline = arch::rdtsc() + arch::clock.to_ticks(thread.enter.timeout_ns);
    if (wait(cpu, thread)) return;
    if (thread.ring.holding()) return go_on(cpu, thread);
    set_result(thread, thread.ring.ready());
}

bool finish_enter(Cpu& cpu, Thread& thread) {
    if (!end_wait(cpu, thread)) return true;
    if (thread.ring.holding()) {
        go_on(cpu, thread);
        return false;
    }
    set_result(thread, thread.ring.ready());
    return true;
}

}  // namespace cox
