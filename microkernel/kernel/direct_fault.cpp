// SPDX-License-Identifier: MIT
// A page fault that switches straight to the handler which waits at the endpoint, by cap_call and without a time-out, a thread of the same kind:
// as call_directly does (direct_call.cpp), with the kernel's words in place of the thread's registers. The reply comes back by resume_directly
// there, or as any other: what finish_ipc is to do is noted before.
#include "kernel/calls.hpp"
#include "kernel/direct_call.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/fault.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

namespace {

// The handler was suspended or killed just now; it has its message, or tells the thread that it has gone.
[[gnu::noinline]] arch::TrapFrame* deliver_only(Cpu& cpu, Endpoint& endpoint, IpcSlot& to,
                                                std::uint64_t words, std::uint64_t badge, std::uint64_t ran) {
    const RefPtr<Thread> faulted(*cpu.current);
    use_up(*faulted, ran);
    faulted->line.runnable_since.store(abi::called_name(to.thread->ref), std::memory_order_relaxed);
    Endpoint::Quick(endpoint).unlock();
    stopped(cpu, *faulted);
    to.badge = badge;
    finish_receive(to, static_cast<std::int64_t>(words));
    return leave_kernel(cpu);
}

// As many as there is room for.
std::uint64_t give_words(const std::array<std::uint64_t, 4>& words, arch::TrapFrame& to, std::uint64_t room) {
    if (room >= 4) [[likely]] {
        to.r10 = words[0];
        to.r8 = words[1];
        to.r9 = words[2];
        to.rbx = words[3];
        return 4;
    }
    if (room > 0) to.r10 = words[0];
    if (room > 1) to.r8 = words[1];
    if (room > 2) to.r9 = words[2];
    return room;
}

}  // namespace

arch::TrapFrame* fault_directly(Cpu& cpu, Thread& c, FaultHandler& handler, const PageFault::Note& note) {
    const auto kind = kind_of(c);
    // An address at which nobody can go on is leave_kernel's to see.
    if (kind == IpcKind::kNever || something_to_do() || !c.ipc.may_lend() || c.frame.rip >= abi::kUserTop)
        return nullptr;
    std::uint64_t badge = 0;
    Endpoint* const object = handler.lock_endpoint(badge);
    if (!object) return nullptr;
    Endpoint::Quick endpoint(*object);
    IpcSlot* const to = endpoint.first_receiver();
    if (!to || to->quick != kind) [[unlikely]] {
        endpoint.unlock();
        return nullptr;
    }
    Thread& r = *to->thread;
    const auto words = words_of(c, note);
    IpcSlot& call = prepare_call_for(c, *object, words);
    c.ipc.waits = &call;
    c.resume |= Thread::kInIpc;
    call.server.store(r.ref.raw(), std::memory_order_relaxed);
    // The lock is held: nobody looks before the word has changed.
    to->caller.store(&call, std::memory_order_relaxed);
    const auto now = arch::rdtsc();
    const auto ran = save(c, c.line, now);
    const auto before = c.word().load();
    if (!c.word().block_in_call(before, cpu.calls_word).done) [[unlikely]] {
        to->caller.store(nullptr);
        endpoint.unlock();
        use_up(c, ran);
        c.resume &= static_cast<std::uint8_t>(~Thread::kInIpc);
        call.for_kernel = false;
        return nullptr;
    }
    endpoint.drop_receiver(*to);
    r.line.serves.store(c.ipc.line_name, std::memory_order_relaxed);
    const auto given = give_words(words, r.frame, to->plain_room());
    if (!r.word().continue_call(before).done) [[unlikely]]
        return deliver_only(cpu, *object, *to, given, badge, ran);
    hand_time(c, r, ran);
    r.ipc.loan = static_cast<std::int8_t>(-1 - c.ipc.loan);
    endpoint.unlock();
    r.frame.rax = given;
    r.frame.rdx = badge;
    WakeCounts::add(r.wake_counts.direct);
    go_on(cpu, r, now);
    // After the word: a change that came before it made no request.
    if (!r.allowed_on(cpu.number)) [[unlikely]]
        return leave_with_misfit(cpu, r);
    return &r.frame;
}

}  // namespace cox
