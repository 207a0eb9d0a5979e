// SPDX-License-Identifier: MIT
// Calls and replies that switch straight to the other side: kCall where a thread waits in kReceive or kReplyReceive, and kReplyReceive where
// nobody else waits to be served. Both sides by cap_call, without a time-out or capabilities, threads of one kind (IpcKind).
//
// The server runs on its caller's time: what is left of the caller's turn and slice goes with the call, and comes back with the reply. So the
// timer stays as it is armed, nobody is placed, and no event is posted: to the scheduler it is one thread that goes on. `Ipc::loan` says so, until
// the server stops in another way: then its callers' events are posted (end_loan).
//
// As in direct.cpp the quick way calls nothing, and whatever is not quick is a jump. What leave_kernel looks at besides has not changed since
// this CPU last left the kernel, or exit_work would say so.
//
// The thread that stops may be killed by another CPU as soon as it is waiting; who does that then takes the endpoint's lock (withdraw), so
// nothing of that thread is touched when the lock has been given back.
#include <algorithm>

#include "kernel/calls.hpp"
#include "kernel/context.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/trace.hpp"

// All that it is called for is on the way to a thread's registers: none need be kept.
#define COX_QUICK __attribute__((preserve_none))

namespace cox {

using abi::Cause;
using arch::TrapFrame;

extern "C" COX_QUICK TrapFrame* call_directly();
extern "C" COX_QUICK TrapFrame* reply_directly();

namespace {

constexpr std::uint32_t kTraced = core::kTraceStop | core::kTraceDispatch | core::kTraceWake;

// Words and room alone, in their bounds.
bool is_plain(std::uint64_t info) {
    constexpr std::uint64_t kFields = 0xf0f, kToEight = 0x707, kOver = 0x1010;
    return !(info & ~kFields) && !((info + kToEight) & kOver);
}

// The frame is complete: the call is done as others are, by all who could have a part in it.
[[gnu::noinline]] COX_QUICK TrapFrame* ordinary_way() {
    Cpu& cpu = this_cpu();
    auto& f = cpu.current->frame;
    const auto result = call_any(f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9);
    f.rax = static_cast<std::uint64_t>(result.value);
    f.rdx = result.second;
    finish_exit_work(cpu);
    return leave_kernel(cpu);
}

[[gnu::noinline]] COX_QUICK TrapFrame* ordinary_way_after(Thread* thread, std::uint64_t ran) {
    use_up(*thread, ran);
    return ordinary_way();
}

// The slot was not the one that was named last.
template <bool Calls>
[[gnu::noinline]] COX_QUICK TrapFrame* learn_slot() {
    Thread& t = current_thread();
    const auto named = abi::CapSlot::from_raw(t.frame.rdi);
    t.ipc.kind = kind_of(t);
    if constexpr (Calls) {
        if (!t.is_agent() && t.process->caps.learn(named, abi::kWrite, t.ipc.called)) return call_directly();
    } else {
        if (!t.is_agent() && t.process->caps.learn(named, abi::kRead, t.ipc.served)) return reply_directly();
    }
    return ordinary_way();
}

[[gnu::noinline]] COX_QUICK TrapFrame* ordinary_way_unlocked(Endpoint* endpoint) {
    Endpoint::Quick(*endpoint).unlock();
    return ordinary_way();
}

void move_words(const TrapFrame& from, TrapFrame& to, std::uint64_t count) {
    switch (count) {
        case 8: to.r15 = from.r15; [[fallthrough]];
        case 7: to.r14 = from.r14; [[fallthrough]];
        case 6: to.r13 = from.r13; [[fallthrough]];
        case 5: to.r12 = from.r12; [[fallthrough]];
        case 4: to.rbx = from.rbx; [[fallthrough]];
        case 3: to.r9 = from.r9; [[fallthrough]];
        case 2: to.r8 = from.r8; [[fallthrough]];
        case 1: to.r10 = from.r10; [[fallthrough]];
        default: break;
    }
}

// What is left of the turn of the one is the other's.
[[gnu::always_inline]] inline void hand_time(const Thread& from, Thread& to, std::uint64_t ran) {
    to.slice = from.slice;
    to.slice_used = from.slice_used + ran;
    to.turn_used = from.turn_used + ran;
}

[[gnu::always_inline]] inline TrapFrame* go_on(Cpu& cpu, Thread& next, std::uint64_t now) {
    cpu.current = &next;
    load_fpu(cpu, next);
    load_registers(cpu, next, now);
    switch_space(cpu, next.process->space());
    return &next.frame;
}

// The current thread waits, and its reference has gone with its call, but who was to run in its place may not, or not here.
[[gnu::noinline]] void stopped(Cpu& cpu, Thread& t) {
    const auto now = arch::rdtsc();
    (t.domain ? cpu.stats.domain_ticks : cpu.stats.system_ticks) += now - cpu.since;
    cpu.since = now;
    cpu.current = nullptr;
    if (t.ipc.loan) end_loan(t, cpu.number);
    if (t.domain && !root_domain.wake_hint(t).given) root_domain.post_event(t.ref.index, cpu.number);
    look_again(cpu);
}

// The receiver was suspended or killed just now; it has its message, or tells the caller that it has gone.
[[gnu::noinline]] COX_QUICK TrapFrame* deliver_only(Endpoint* endpoint, Thread* caller, Thread* receiver,
                                                    std::uint64_t info, std::uint64_t ran) {
    Cpu& cpu = this_cpu();
    const RefPtr<Thread> hold(*caller);
    use_up(*caller, ran);
    Endpoint::Quick(*endpoint).unlock();
    stopped(cpu, *caller);
    finish_receive(receiver->ipc.receive, static_cast<std::int64_t>(info));
    return leave_kernel(cpu);
}

// The caller was suspended or killed just now: it has its reply as soon as it can.
[[gnu::noinline]] COX_QUICK TrapFrame* answer_only(Endpoint* endpoint, Thread* server, IpcSlot* call,
                                                   std::uint64_t info, std::uint64_t ran) {
    Cpu& cpu = this_cpu();
    const RefPtr<Thread> hold(*server);
    use_up(*server, ran);
    if (call) move_words(server->frame, call->thread->frame, info & 15);
    Endpoint::Quick(*endpoint).unlock();
    stopped(cpu, *server);
    if (call) finish_call(*call, static_cast<std::int64_t>(info));
    return leave_kernel(cpu);
}

// It runs here already, but may not any more.
[[gnu::noinline]] COX_QUICK TrapFrame* misfit(Thread* thread) {
    Cpu& cpu = this_cpu();
    load_context(cpu, *thread, arch::rdtsc());
    thread->word().request(abi::kRequestAffinity);
    return leave_kernel(cpu);
}

}  // namespace

CallResult call_call(std::uint64_t slot, std::uint64_t op, std::uint64_t info, std::uint64_t a1,
                     std::uint64_t a2, std::uint64_t a3) {
    if (!is(op, abi::Op::kCall) || something_to_do()) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, info, a1, a2, a3);
    [[clang::musttail]] return switch_by_call(slot, op, info, a1, a2, a3);
}

CallResult call_reply_receive(std::uint64_t slot, std::uint64_t op, std::uint64_t info, std::uint64_t a1,
                              std::uint64_t a2, std::uint64_t a3) {
    if (!is(op, abi::Op::kReplyReceive) || something_to_do()) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, info, a1, a2, a3);
    [[clang::musttail]] return switch_by_reply(slot, op, info, a1, a2, a3);
}

// Of the current thread, its frame complete but for RAX, from entry.S: -> the frame to go on with.

extern "C" COX_QUICK TrapFrame* call_directly() {
    Cpu& cpu = this_cpu();
    Thread& c = *cpu.current;
    const auto info = c.frame.rdx;
    if (c.ipc.called.slot != c.frame.rdi) [[unlikely]]
        return learn_slot<true>();
    if (!is_plain(info) || c.ipc.loan >= Ipc::kMaxLoan || tracing(kTraced)) [[unlikely]]
        return ordinary_way();
    Endpoint::Quick endpoint(*c.ipc.called.object);
    endpoint.lock();
    IpcSlot* const to = endpoint.first_receiver();
    if (!c.ipc.called.still() || !to || to->quick != c.ipc.kind) [[unlikely]]
        return ordinary_way_unlocked(c.ipc.called.object);
    Thread& r = *to->thread;
    IpcSlot& call = c.ipc.call;
    call.info = {info};
    call.quick = c.ipc.kind;
    call.endpoint = c.ipc.called.object;
    call.server.store(r.ref.raw(), std::memory_order_relaxed);
    to->caller.store(
        &call, std::memory_order_relaxed);  // the lock is held: nobody looks before the word has changed
    const auto now = arch::rdtsc();
    const auto ran = save_context(c, now);
    const auto before = c.word().load();
    if (!c.word().block_in_call(before, Cause::kCalls).done) [[unlikely]] {
        to->caller.store(nullptr);
        endpoint.unlock();
        return ordinary_way_after(&c, ran);
    }
    endpoint.drop_receiver(*to);
    to->deadline = kNever;
    r.line.serves.store(static_cast<std::uint16_t>(c.ref.index + 1), std::memory_order_relaxed);
    const auto words = std::min(info & 15, std::uint64_t{to->info.room()});
    move_words(c.frame, r.frame, words);
    to->info = {words};
    to->badge = 0;
    if (!r.word().continue_call(before).done) [[unlikely]]
        return deliver_only(c.ipc.called.object, &c, &r, words, ran);
    hand_time(c, r, ran);
    r.ipc.loan = static_cast<std::uint8_t>(c.ipc.loan + 1);
    endpoint.unlock();
    r.frame.rax = words;
    r.frame.rdx = 0;
    WakeCounts::add(r.wake_counts.direct);
    auto* const frame = go_on(cpu, r, now);
    // After the word: a change that came before it made no request.
    if (!r.allowed_on(cpu.number)) [[unlikely]]
        return misfit(&r);
    return frame;
}

extern "C" COX_QUICK TrapFrame* reply_directly() {
    Cpu& cpu = this_cpu();
    Thread& r = *cpu.current;
    const auto info = r.frame.rdx;
    if (r.ipc.served.slot != r.frame.rdi) [[unlikely]]
        return learn_slot<false>();
    IpcSlot& from = r.ipc.receive;
    IpcSlot* const call = from.caller.load(std::memory_order_relaxed);
    // Not on its caller's time: who placed it is to hear of its wait.
    if (!is_plain(info) || !call || call->quick != r.ipc.kind || !r.ipc.loan || tracing(kTraced)) [[unlikely]]
        return ordinary_way();
    Endpoint::Quick endpoint(*r.ipc.served.object);
    endpoint.lock();
    if (!r.ipc.served.still() || endpoint.has_callers()) [[unlikely]]
        return ordinary_way_unlocked(r.ipc.served.object);
    const auto now = arch::rdtsc();
    const auto ran = save_context(r, now);
    const auto before = r.word().load();
    if (!r.word().block_in_call(before, Cause::kBlocked).done) [[unlikely]] {
        endpoint.unlock();
        return ordinary_way_after(&r, ran);
    }
    from.endpoint = r.ipc.served.object;
    from.quick = r.ipc.kind;
    from.info = {info};
    from.deadline = kNever;
    endpoint.push_receiver(from);
    r.line.serves.store(0, std::memory_order_relaxed);
    r.ipc.loan = 0;
    // Who has taken the call out of there meanwhile tells the caller.
    if (from.caller.exchange(nullptr) != call) [[unlikely]]
        return answer_only(r.ipc.served.object, &r, nullptr, 0, ran);
    Thread& c = *call->thread;
    const auto words = std::min(info & 15, std::uint64_t{call->info.room()});
    if (!c.word().continue_call(before).done) [[unlikely]]
        return answer_only(r.ipc.served.object, &r, call, words, ran);
    move_words(r.frame, c.frame, words);
    hand_time(r, c, ran);
    endpoint.unlock();
    c.frame.rax = words;
    c.frame.rdx = 0;
    WakeCounts::add(c.wake_counts.direct);
    auto* const frame = go_on(cpu, c, now);
    if (!c.allowed_on(cpu.number)) [[unlikely]]
        return misfit(&c);
    return frame;
}

}  // namespace cox
