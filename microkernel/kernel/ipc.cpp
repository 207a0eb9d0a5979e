// SPDX-License-Identifier: MIT
#include "kernel/ipc.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <type_traits>

#include "arch/features.hpp"
#include "arch/paging.hpp"
#include "arch/timer.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/exit.hpp"
#include "kernel/frames.hpp"
#include "kernel/process.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/timers.hpp"
#include "kernel/trace.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;
using abi::MessageInfo;

namespace {

constexpr std::int64_t error(Error error) { return static_cast<std::int64_t>(error); }

using Frame = arch::TrapFrame;
constexpr std::uint8_t kInFrame[abi::kMessageWords] = {
    offsetof(Frame, r10) / 8, offsetof(Frame, r8) / 8,  offsetof(Frame, r9) / 8,  offsetof(Frame, rbx) / 8,
    offsetof(Frame, r12) / 8, offsetof(Frame, r13) / 8, offsetof(Frame, r14) / 8, offsetof(Frame, r15) / 8,
};
constexpr std::uint8_t kInRow[abi::kMessageWords] = {0, 1, 2, 3, 4, 5, 6, 7};
constexpr std::uint32_t kTimeoutWord = abi::kMessageWords - 1;

void set_result(Thread& thread, std::int64_t result, std::uint64_t second = 0) {
    thread.frame.rax = static_cast<std::uint64_t>(result);
    thread.frame.rdx = second;
}

void use(IpcSlot& slot, Endpoint& endpoint) {
    auto& known = slot.receives ? slot.thread->ipc.served : slot.thread->ipc.called;
    if (known.object != &endpoint) known.forget();
    slot.endpoint = &endpoint;
}

// The slot is about to be used by the current thread's cap_call.
void prepare(Thread& thread, IpcSlot& slot, Endpoint& endpoint, MessageInfo info) {
    use(slot, endpoint);
    slot.info = info;
    slot.deadline = kNever;
    if (info.timed() && slot.words()[kTimeoutWord] != abi::kForever) {
        // Before the wait begins: a timer node that was left elsewhere may end it at once.
        thread.timed_out = false;
        slot.deadline = arch::rdtsc() + arch::clock.to_ticks(slot.words()[kTimeoutWord]);
    }
    thread.enter.deadline = slot.deadline;
    slot.quick = slot.deadline == kNever ? quick_kind(thread) : IpcKind::kNone;
}

void wait_at_endpoint(Cpu& cpu, Thread& thread, IpcSlot& slot, abi::Cause cause) {
    const auto deadline = thread.enter.deadline;  // the slot's may be the caller's by now
    thread.ipc.waits = &slot;
    if (deadline != kNever || slot.for_kernel) thread.resume |= Thread::kInIpc;
    if (deadline != kNever) arm_timeout(cpu, thread, deadline);
    if (!block_current(cpu, cause) && thread.resume & Thread::kInIpc) finish_ipc(cpu, thread);
}

void receive_by_call(Cpu& cpu, Thread& thread, Endpoint& endpoint, MessageInfo info) {
    IpcSlot& slot = thread.ipc.receive;
    prepare(thread, slot, endpoint, info);
    if (endpoint.receive(slot))
        return set_result(thread, static_cast<std::int64_t>(slot.token_info().raw), slot.badge);
    wait_at_endpoint(cpu, thread, slot, abi::Cause::kBlocked);
}

void call_by_call(Cpu& cpu, Thread& thread, Endpoint& endpoint) {
    IpcSlot& slot = thread.ipc.call;
    prepare(thread, slot, endpoint, thread.ipc.info);
    slot.badge = thread.ipc.badge;
    slot.for_kernel = false;
    endpoint.send(slot);
    wait_at_endpoint(cpu, thread, slot, abi::Cause::kCalls);
}

std::int64_t reply_by_call(Thread& thread, MessageInfo info) {
    IpcSlot* const slot = take_token(thread, info);
    if (!slot) return error(Error::kNoCaller);
    const auto result = reply(*slot, info, MessageWords::in_frame(thread));
    if (slot->number != 0) thread.ipc.free(*slot);
    return result;
}

}  // namespace

void prepare_direct_calls(Cpu& cpu) {
    cpu.own_bit = std::uint64_t{1} << cpu.number;
    cpu.calls_word = core::ThreadStateWord::waiting_in_call(cpu.number, abi::Cause::kCalls);
    cpu.runs_word = core::ThreadStateWord::running_by_commit(cpu.number);
    cpu.waits_word = core::ThreadStateWord::waiting_in_call(cpu.number, abi::Cause::kBlocked);
}

IpcKind kind_of(const Thread& thread) {
    constexpr std::uint32_t kTraced = core::kTraceStop | core::kTraceDispatch | core::kTraceWake;
    if (thread.is_agent() || tracing(kTraced) || !arch::features.xsaveopt) return IpcKind::kNever;
    if (!thread.domain) return IpcKind::kSystem;
    return static_cast<IpcKind>(static_cast<std::uint8_t>(IpcKind::kDomain) + thread.domain->number());
}

IpcKind quick_kind(const Thread& thread) {
    const auto kind = kind_of(thread);
    return kind == IpcKind::kNever ? IpcKind::kNone : kind;
}

MessageWords MessageWords::in_frame(Thread& thread) {
    static_assert(sizeof(Frame) % sizeof(std::uint64_t) == 0);
    return {reinterpret_cast<std::uint64_t*>(&thread.frame), kInFrame};
}

MessageWords MessageWords::in_row(std::uint64_t* row) { return {row, kInRow}; }

MessageWords IpcSlot::words() const {
    return number != 0 || for_kernel ? MessageWords::in_row(row) : MessageWords::in_frame(*thread);
}

namespace {
// Where nobody ever waits: what a thread knows that has named none, so that the quick way need not ask.
Endpoint nobody;
std::atomic<std::uint32_t> no_generation;
}  // namespace

Ipc::Ipc()
    : called{0, &no_generation, CapTable::kNoGeneration, &nobody},
      served{0, &no_generation, CapTable::kNoGeneration, &nobody} {}

void Ipc::make(Thread& thread) {
    static_assert(std::is_trivially_destructible_v<IpcSlot>);
    new (&call) IpcSlot;
    new (&receive) IpcSlot;
    call.thread = receive.thread = &thread;
    receive.receives = true;
    line_name = static_cast<std::uint16_t>(thread.ref.index + 1);
    made = true;
}

Ipc::~Ipc() {
    if (IpcTable* const slots = table.load()) release_frame(arch::virtual_to_physical(slots));
}

core::Result<IpcSlot*> Ipc::allocate(Thread& thread) {
    IpcTable* slots = table.load(std::memory_order_relaxed);
    if (!slots) {
        const auto frame = TRY(allocate_charged_frame(thread.process->quota));
        slots = new (arch::physical_to_virtual<void>(frame)) IpcTable;
        for (std::uint8_t i = 0; i < IpcTable::kSlots; ++i) {
            slots->slots[i].number = static_cast<std::uint8_t>(i + 1);
            slots->slots[i].thread = &thread;
        }
        table.store(slots);
    }
    auto free = slots->free.load(std::memory_order_relaxed);
    do {
        if (free == 0) return core::fail(Error::kBusy);
        // acquire: pairs with free(), so that what was done with the slot is over
    } while (!slots->free.compare_exchange_weak(free, free & (free - 1), std::memory_order_acquire));
    return &slots->slots[std::countr_zero(free)];
}

void Ipc::free(IpcSlot& slot) {
    table.load()->free.fetch_or(1u << (slot.number - 1), std::memory_order_release);
}

IpcSlot* Ipc::find(std::uint32_t number) {
    if (number == 0) return made ? &receive : nullptr;
    IpcTable* const slots = table.load();
    return slots && number <= IpcTable::kSlots ? &slots->slots[number - 1] : nullptr;
}

void call_endpoint(Cpu& cpu, Thread& thread) {
    Ipc& ipc = thread.ipc;
    ipc.need(thread);
    const RefPtr<Object> held = std::move(ipc.endpoint);
    auto& endpoint = static_cast<Endpoint&>(*held);
    switch (ipc.op) {
        case abi::Op::kCall: return call_by_call(cpu, thread, endpoint);
        case abi::Op::kReply: return set_result(thread, reply_by_call(thread, ipc.info));
        case abi::Op::kReplyReceive: static_cast<void>(reply_by_call(thread, ipc.info)); [[fallthrough]];
        default:
            // Whom it serves next has not lent it anything, so far as direct_call.cpp knows.
            if (ipc.loan) end_loan(thread, cpu.number);
            return receive_by_call(cpu, thread, endpoint, ipc.info);
    }
}

IpcSlot& prepare_call_for(Thread& thread, Endpoint& endpoint, const std::array<std::uint64_t, 4>& words) {
    thread.ipc.need(thread);
    IpcSlot& slot = thread.ipc.call;
    thread.ipc.kernel_words = words;
    slot.row = thread.ipc.kernel_words.data();
    use(slot, endpoint);
    slot.info = abi::message_info(words.size()).with_room(1);
    slot.deadline = kNever;
    slot.quick = IpcKind::kNone;
    slot.for_kernel = true;
    return slot;
}

void call_for_thread(Cpu& cpu, Thread& thread, Endpoint& endpoint, std::uint64_t badge,
                     const std::array<std::uint64_t, 4>& words) {
    IpcSlot& slot = prepare_call_for(thread, endpoint, words);
    thread.enter.deadline = kNever;
    slot.badge = badge;
    endpoint.send(slot);
    wait_at_endpoint(cpu, thread, slot, abi::Cause::kCalls);
}

bool finish_ipc(Cpu& cpu, Thread& thread) {
    thread.resume &= static_cast<std::uint8_t>(~Thread::kInIpc);
    IpcSlot& slot = *thread.ipc.waits;
    if (slot.for_kernel) {
        slot.for_kernel = false;
        const auto result = thread.ipc.kernel_result;
        const MessageInfo answer{static_cast<std::uint64_t>(result)};
        const bool refused = result >= 0 && answer.words() != 0 && thread.ipc.kernel_words[0] != 0;
        if (result >= 0 && !refused) return true;
        exit_current(cpu, kFaultExitCode, abi::Cause::kFaulted);
        return false;
    }
    disarm_timeout(cpu, thread);
    if (std::exchange(thread.timed_out, false)) {
        withdraw(slot);
        set_result(thread, error(Error::kTimedOut));
    }
    return true;
}

IpcSlot* take_token(Thread& thread, MessageInfo info) {
    if (info.token() == 0) return &thread.ipc.receive;
    IpcSlot* const slot = thread.ipc.find(info.token() & 63);
    auto generation = static_cast<std::uint32_t>(info.token() >> 6);
    const bool was_given = slot && slot->number != 0 && !(info.token() >> 38) && IpcSlot::owes(generation);
    if (!was_given || !slot->generation.compare_exchange_strong(generation, generation + 1)) return nullptr;
    return slot;
}

bool withdraw(IpcSlot& slot) {
    if (!slot.endpoint) return false;
    if (slot.endpoint->remove(slot)) return true;
    if (slot.receives) return false;
    // It is served, or about to be finished.
    const auto server = abi::ThreadRef::from_raw(slot.server.load());
    const auto thread = find_thread({server.index & 0xffff, server.generation});
    IpcSlot* const serving = thread ? thread->ipc.find(server.index >> 16) : nullptr;
    IpcSlot* expected = &slot;
    if (!serving) return false;
    const bool lent =
        serving->deadline == kNever && slot.number == 0;  // or may be: end_loan() goes by `serves`
    if (!serving->caller.compare_exchange_strong(expected, nullptr)) return false;
    // Unless it has gone on to another caller already: it serves this one no more.
    auto name = static_cast<std::uint16_t>(slot.thread->ref.index + 1);
    if (!lent)
        thread->line.serves.compare_exchange_strong(name, 0, std::memory_order_relaxed);
    else if (thread->domain)
        thread->domain->post_event(thread->ref.index,
                                   thread->word().load().cpu());  // it may run on nobody's time now
    slot.thread->release();
    return true;
}

void end_loan(Thread& thread, std::uint32_t cpu) {
    std::uint32_t line = thread.line.serves.load(std::memory_order_relaxed);
    auto server = thread.ref;
    // It may run on, if it finds that it need not wait: nobody has placed it.
    if (thread.ipc.loan != 0 && thread.domain) thread.domain->post_event(thread.ref.index, cpu);
    // A line that is another's by now is looked at for nothing.
    const int loan = std::exchange(thread.ipc.loan, 0);
    for (int lent = loan < 0 ? -loan : loan; lent != 0 && line != 0; --lent) {
        abi::StatusLine& lender = status_line(line - 1);
        // It waits from now on, for that thread; unless it has been woken, and a time stands there.
        auto since = lender.runnable_since.load(std::memory_order_relaxed);
        const abi::ThreadWord word{lender.word.load(std::memory_order_relaxed)};
        if (word.state() == abi::ThreadState::kWaiting && word.cause() == abi::Cause::kCalls)
            lender.runnable_since.compare_exchange_strong(since, abi::called_name(server),
                                                          std::memory_order_relaxed);
        if (const auto caller = thread_at(line - 1); caller && caller->domain)
            caller->domain->post_event(line - 1, cpu);
        server = abi::ThreadRef::from_raw(lender.ref.load(std::memory_order_relaxed));
        line = lender.serves.load(std::memory_order_relaxed);
    }
}

void forget(IpcSlot& slot) {
    withdraw(slot);
    if (IpcSlot* const call = claim_caller(slot)) finish_call(*call, error(Error::kGone));
}

void forget_ipc(Thread& thread) {
    if (thread.ipc.made) {
        forget(thread.ipc.call);
        forget(thread.ipc.receive);
    }
    if (IpcTable* const table = thread.ipc.table.load())
        for (IpcSlot& slot : table->slots) forget(slot);
}

IpcSlot* claim_caller(IpcSlot& slot) {
    const auto deadline = slot.deadline;
    IpcSlot* const call = slot.caller.exchange(nullptr);
    if (!call || deadline == kNever || call->thread->ring.end_park(deadline)) return call;
    call->thread->release();  // its time has passed, and it may use the slot anew already
    return nullptr;
}

bool finish_call(IpcSlot& call, std::int64_t result) {
    Thread& thread = *call.thread;
    bool there;
    if (call.number != 0) {
        const PendingOp op = call.op;
        thread.ipc.free(call);
        there = complete(op, result);
    } else {
        if (call.for_kernel)
            thread.ipc.kernel_result = result;
        else
            set_result(thread, result);
        there = thread.word().load().state() != abi::ThreadState::kGone;
        thread.ipc.loan = 0;  // it is placed anew
        call.quick = quick_kind(thread);
        wake(thread);
    }
    thread.release();
    return there;
}

std::int64_t reply(IpcSlot& slot, MessageInfo info, MessageWords from) {
    Thread& server = *slot.thread;
    IpcSlot* const call = claim_caller(slot);
    if (slot.number == 0) server.line.serves.store(0, std::memory_order_relaxed);
    if (!call) return error(Error::kNoCaller);
    const auto words = std::min(info.words(), call->for_kernel ? call->info.words() : call->info.room());
    const auto caps = call->for_kernel ? 0 : std::min(info.caps(), words);
    const auto to = call->words();
    for (std::uint32_t i = 0; i < words; ++i)
        to[i] = i < caps ? give_cap(*server.process, from[i], *call->thread->process, info.moved()) : from[i];
    const bool there = finish_call(*call, static_cast<std::int64_t>(abi::message_info(words, caps).raw));
    return there ? 0 : error(Error::kNoCaller);
}

std::uint64_t give_cap(Process& from, std::uint64_t slot, Process& to, bool move) {
    const auto named = abi::CapSlot::from_raw(slot);
    const auto cap = from.caps.look_up(named);
    if (!cap || !(cap->rights & abi::kGrant)) return 0;
    const CapTable::Origin origin{from.caps, named};
    const auto given = move ? to.caps.move(origin, *cap) : to.caps.derive(origin, *cap);
    return given ? given->raw() : 0;
}

}  // namespace cox
