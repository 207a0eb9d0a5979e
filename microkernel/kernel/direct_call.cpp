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

#include "core/owner_of.hpp"
#include "kernel/calls.hpp"
#include "kernel/context.hpp"
#include "kernel/direct_call.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/trace.hpp"

// All that it is called for is on the way to a thread's registers: none need be kept.
#define COX_QUICK __attribute__((preserve_none))
// In this convention RDX, where entry.S has left a0, is the seventh argument; RDI, with the end of the frame, the fifth.
#define QUICK_ARGUMENTS                                                                                 \
    std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t frame_end, std::uint64_t, \
        std::uint64_t info

namespace cox {

using abi::Cause;
using arch::TrapFrame;

extern "C" COX_QUICK TrapFrame* call_directly(QUICK_ARGUMENTS);
extern "C" COX_QUICK TrapFrame* reply_directly(QUICK_ARGUMENTS);

namespace {

// Words and room alone.
bool is_plain(std::uint64_t info) { return !(info & ~std::uint64_t{0xf0f}); }

// Nothing here returns: this CPU goes on in a thread, which has come by a system call where that is known.
TrapFrame* leave_by(TrapFrame* frame) {
    asm volatile("jmp leave_to_user" : : "a"(frame) : "memory");
    return frame;  // not the compiler's to know: so it jumps here
}
[[gnu::always_inline]] inline TrapFrame* leave_by_sysret(TrapFrame& frame) {
    TrapFrame* nothing;
    asm volatile("lea %1, %%rsp; jmp leave_by_sysret" : "=a"(nothing) : "m"(frame) : "memory");
    return nothing;
}

Thread& thread_of(std::uint64_t frame_end) {
    return core::owner_of<&Thread::frame>(reinterpret_cast<TrapFrame*>(frame_end)[-1]);
}

// The frame is complete: the call is done as others are, by all who could have a part in it.
[[gnu::noinline]] COX_QUICK TrapFrame* ordinary_way() {
    Cpu& cpu = this_cpu();
    auto& f = cpu.current->frame;
    const auto result = call_any(f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9);
    f.rax = static_cast<std::uint64_t>(result.value);
    f.rdx = result.second;
    finish_exit_work(cpu);
    return leave_by(leave_kernel(cpu));
}

[[gnu::noinline]] COX_QUICK TrapFrame* ordinary_way_after(std::uint64_t ran) {
    use_up(current_thread(), ran);
    return ordinary_way();
}

// The slot was not the one that was named last.
template <bool Calls>
[[gnu::noinline]] COX_QUICK TrapFrame* learn_slot() {
    Thread& t = current_thread();
    t.ipc.kind = kind_of(t);
    auto& known = Calls ? t.ipc.called : t.ipc.served;
    const auto named = abi::CapSlot::from_raw(t.frame.rdi);
    if (t.ipc.kind == IpcKind::kNever ||
        !t.process->caps.learn(named, Calls ? abi::kWrite : abi::kRead, known))
        return ordinary_way();
    t.ipc.need(t);
    IpcSlot& slot = Calls ? t.ipc.call : t.ipc.receive;
    slot.endpoint = known.object;
    if (!Calls) known.object->received_by(t);
    slot.quick = t.ipc.kind;
    const auto end = reinterpret_cast<std::uint64_t>(&t.frame + 1);
    return Calls ? call_directly(any(), any(), any(), any(), end, any(), t.frame.rdx)
                 : reply_directly(any(), any(), any(), any(), end, any(), t.frame.rdx);
}

[[gnu::noinline]] COX_QUICK TrapFrame* ordinary_way_unlocked(Endpoint* endpoint) {
    Endpoint::Quick(*endpoint).unlock();
    return ordinary_way();
}

// -> how many words there are: mostly none, or all.
[[gnu::always_inline]] inline std::uint64_t move_words(const TrapFrame& from, std::uint64_t sent,
                                                       TrapFrame& to, std::uint64_t room) {
    if (sent >= 8 && room >= 8) [[likely]] {
        to.r15 = from.r15;
        to.r14 = from.r14;
        to.r13 = from.r13;
        to.r12 = from.r12;
        to.rbx = from.rbx;
        to.r9 = from.r9;
        to.r8 = from.r8;
        to.r10 = from.r10;
        return 8;
    }
    const auto count = std::min(sent, room);
    switch (count) {
        case 7: to.r14 = from.r14; [[fallthrough]];
        case 6: to.r13 = from.r13; [[fallthrough]];
        case 5: to.r12 = from.r12; [[fallthrough]];
        case 4: to.rbx = from.rbx; [[fallthrough]];
        case 3: to.r9 = from.r9; [[fallthrough]];
        case 2: to.r8 = from.r8; [[fallthrough]];
        case 1: to.r10 = from.r10; [[fallthrough]];
        default: return count;
    }
}

// The receiver was suspended or killed just now; it has its message, or tells the caller that it has gone.
[[gnu::noinline]] COX_QUICK TrapFrame* deliver_only(Endpoint* endpoint, Thread* receiver, std::uint64_t info,
                                                    std::uint64_t ran) {
    Cpu& cpu = this_cpu();
    const RefPtr<Thread> caller(*cpu.current);
    use_up(*caller, ran);
    caller->line.runnable_since.store(abi::called_name(receiver->ref), std::memory_order_relaxed);
    Endpoint::Quick(*endpoint).unlock();
    stopped(cpu, *caller);
    receiver->ipc.receive.badge = caller->ipc.called.badge;
    finish_receive(receiver->ipc.receive, static_cast<std::int64_t>(info));
    return leave_by(leave_kernel(cpu));
}

// The caller was suspended or killed just now: it has its reply as soon as it can.
[[gnu::noinline]] COX_QUICK TrapFrame* answer_only(Endpoint* endpoint, IpcSlot* call, std::uint64_t info,
                                                   std::uint64_t ran) {
    Cpu& cpu = this_cpu();
    const RefPtr<Thread> server(*cpu.current);
    use_up(*server, ran);
    Endpoint::Quick(*endpoint).unlock();
    stopped(cpu, *server);
    if (call) finish_call(*call, static_cast<std::int64_t>(info));
    return leave_by(leave_kernel(cpu));
}

// It runs here already, but may not any more.
[[gnu::noinline]] COX_QUICK TrapFrame* misfit(Thread* thread) {
    return leave_by(leave_with_misfit(this_cpu(), *thread));
}

}  // namespace

// In direct_call.hpp.
void stopped(Cpu& cpu, Thread& t) {
    account_as(t.domain ? cpu.stats.domain_ticks : cpu.stats.system_ticks, cpu, arch::rdtsc());
    cpu.current = nullptr;
    if (t.ipc.loan) end_loan(t, cpu.number);
    if (t.domain && !SchedDomain::wake_hint(t).given) t.domain->post_event(t.ref.index, cpu.number);
    look_again(cpu);
}

TrapFrame* leave_with_misfit(Cpu& cpu, Thread& thread) {
    load_context(cpu, thread, arch::rdtsc());
    thread.word().request(abi::kRequestAffinity);
    return leave_kernel(cpu);
}

CallResult call_call(std::uint64_t slot, std::uint64_t op, std::uint64_t info, std::uint64_t a1,
                     std::uint64_t a2, std::uint64_t a3) {
    if (!is(op, abi::Op::kCall) || something_to_do()) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, info, a1, a2, a3);
    [[clang::musttail]] return switch_by_call(any(), any(), info, any(), any(), any());
}

CallResult call_reply_receive(std::uint64_t slot, std::uint64_t op, std::uint64_t info, std::uint64_t a1,
                              std::uint64_t a2, std::uint64_t a3) {
    if (!is(op, abi::Op::kReplyReceive)) [[clang::musttail]]
        return call_map(slot, op, info, a1, a2, a3);  // the other one with these low bits
    if (something_to_do()) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, info, a1, a2, a3);
    [[clang::musttail]] return switch_by_reply(any(), any(), info, any(), any(), any());
}

// Of the current thread, its frame complete but for RAX, from entry.S: -> the frame to go on with.

extern "C" COX_QUICK TrapFrame* call_directly(QUICK_ARGUMENTS) {
    Cpu& cpu = this_cpu();
    Thread& c = thread_of(frame_end);
    if (c.ipc.called.slot != c.frame.rdi) [[unlikely]]
        return learn_slot<true>();
    if (!is_plain(info) || !c.ipc.may_lend()) [[unlikely]]
        return ordinary_way();
    Endpoint* const object = c.ipc.called.object;
    Endpoint::Quick endpoint(*object);
    endpoint.lock();
    IpcSlot* const to = endpoint.first_receiver();
    if (!c.ipc.called.still() || !to || to->quick != c.ipc.kind) [[unlikely]]
        return ordinary_way_unlocked(object);
    Thread& r = *to->thread;
    IpcSlot& call = c.ipc.call;
    call.info = {info};
    call.server.store(r.ref.raw(), std::memory_order_relaxed);
    // The lock is held: nobody looks before the word has changed.
    to->caller.store(&call, std::memory_order_relaxed);
    const auto now = arch::rdtsc();
    abi::StatusLine& line = c.line;
    const auto ran = save(c, line, now);
    core::ThreadStateWord word(line.word);
    const auto before = word.load();
    if (!word.block_in_call(before, cpu.calls_word).done) [[unlikely]] {
        to->caller.store(nullptr);
        endpoint.unlock();
        return ordinary_way_after(ran);
    }
    endpoint.drop_receiver(*to);
    abi::StatusLine& its_line = r.line;
    its_line.serves.store(c.ipc.line_name, std::memory_order_relaxed);
    std::uint64_t words = info & 15;
    if (words) words = move_words(c.frame, words, r.frame, to->plain_room());
    if (!core::ThreadStateWord(its_line.word).continue_call(before).done) [[unlikely]]
        return deliver_only(object, &r, words, ran);
    hand_time(c, r, ran);
    r.ipc.loan = static_cast<std::int8_t>(c.ipc.loan + 1);
    endpoint.unlock();
    r.frame.rax = words;
    r.frame.rdx = c.ipc.called.badge;
    WakeCounts::add(r.wake_counts.direct);
    go_on(cpu, r, now);
    // After the word: a change that came before it made no request.
    if (!(its_line.affinity.load(std::memory_order_relaxed) & cpu.own_bit)) [[unlikely]]
        return misfit(&r);
    return leave_by_sysret(r.frame);
}

namespace {

// `resumes`: the caller is a thread that has faulted (direct_fault.cpp), to which a reply without words says to go on where it was.
template <bool resumes>
[[gnu::always_inline]] inline TrapFrame* reply_by(Thread& r, std::uint64_t info) {
    Cpu& cpu = this_cpu();
    IpcSlot& from = r.ipc.receive;
    Endpoint* const object = r.ipc.served.object;
    Endpoint::Quick endpoint(*object);
    endpoint.lock();
    if (!r.ipc.served.still() || endpoint.has_callers()) [[unlikely]]
        return ordinary_way_unlocked(object);
    const auto now = arch::rdtsc();
    abi::StatusLine& line = r.line;
    const auto ran = save(r, line, now);
    core::ThreadStateWord word(line.word);
    const auto before = word.load();
    if (!word.block_in_call(before, cpu.waits_word).done) [[unlikely]] {
        endpoint.unlock();
        return ordinary_way_after(ran);
    }
    from.info = {info};
    endpoint.push_receiver(from);
    line.serves.store(0, std::memory_order_relaxed);
    r.ipc.loan = 0;
    // Who has taken the call out of there meanwhile tells the caller.
    IpcSlot* const call = from.caller.exchange(nullptr);
    if (!call) [[unlikely]]
        return answer_only(object, nullptr, 0, ran);
    Thread& c = *call->thread;
    abi::StatusLine& its_line = c.line;
    std::uint64_t words = resumes ? 0 : info & 15;
    if (words) words = move_words(r.frame, words, c.frame, call->plain_room());
    if (!core::ThreadStateWord(its_line.word).continue_call(before).done) [[unlikely]]
        return answer_only(object, call, words, ran);
    hand_time(r, c, ran);
    endpoint.unlock();
    if constexpr (resumes) {
        call->for_kernel = false;
        c.resume &= static_cast<std::uint8_t>(~Thread::kInIpc);
    } else {
        c.frame.rax = words;
        c.frame.rdx = 0;
    }
    WakeCounts::add(c.wake_counts.direct);
    go_on(cpu, c, now);
    if (!(its_line.affinity.load(std::memory_order_relaxed) & cpu.own_bit)) [[unlikely]]
        return misfit(&c);
    return resumes ? leave_by(&c.frame) : leave_by_sysret(c.frame);
}

[[gnu::noinline]] COX_QUICK TrapFrame* resume_directly(std::uint64_t info) {
    Thread& r = current_thread();
    if (!is_plain(info) || info & 15 || r.ipc.loan >= 0) return ordinary_way();
    return reply_by<true>(r, info);
}

}  // namespace

extern "C" COX_QUICK TrapFrame* reply_directly(QUICK_ARGUMENTS) {
    Thread& r = thread_of(frame_end);
    if (r.ipc.served.slot != r.frame.rdi) [[unlikely]]
        return learn_slot<false>();
    // Not on its caller's time: who placed it is to hear of its wait. Else the caller is one that call_directly has taken.
    if (!is_plain(info) || r.ipc.loan <= 0) [[unlikely]]
        return resume_directly(info);
    return reply_by<false>(r, info);
}

}  // namespace cox
