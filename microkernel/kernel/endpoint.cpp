// SPDX-License-Identifier: MIT
#include "kernel/endpoint.hpp"

#include <algorithm>

#include "kernel/heap.hpp"
#include "kernel/process.hpp"
#include "kernel/thread.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;
using abi::ThreadState;

namespace {

SpinLock free_lock(LockRank::kEndpoint);
Endpoint* first_free COX_GUARDED_BY(free_lock);

}  // namespace

void finish_receive(IpcSlot& receiver, std::int64_t result) {
    Thread& thread = *receiver.thread;
    bool there;
    if (receiver.number != 0) {
        const PendingOp op = receiver.op;  // the slot may be used anew as soon as it has completed
        if (result < 0) thread.ipc.free(receiver);
        there = complete(op, result, result < 0 ? 0 : receiver.badge);
    } else {
        thread.frame.rax = static_cast<std::uint64_t>(result);
        thread.frame.rdx = result < 0 ? 0 : receiver.badge;
        thread.ipc.loan = 0;  // it is placed anew
        receiver.quick = quick_kind(thread);
        wake(thread);
        there = thread.word().load().state() != ThreadState::kGone;
    }
    // Gone since it was taken out of the queue: it does not serve whom it was given, or has told him so already (forget_ipc).
    if (!there && result >= 0) {
        if (IpcSlot* const call = claim_caller(receiver))
            finish_call(*call, static_cast<std::int64_t>(Error::kGone));
    }
    thread.release();
}

void Endpoint::Gift::give_to(const IpcSlot& receiver) const {
    if (!from) return;
    const auto words = receiver.words();
    for (std::uint32_t i = 0; i < receiver.info.caps(); ++i)
        words[i] = give_cap(*from, slots[i], *receiver.thread->process, receiver.info.moved());
}

// One that was an endpoint before comes to life again, or a new one.
core::Result<RefPtr<Endpoint>> Endpoint::create(Quota& payer) {
    if (!payer.charge_memory(heap_size(sizeof(Endpoint)))) return core::fail(payer.no_memory());
    Endpoint* endpoint;
    {
        SpinGuard guard(free_lock);
        endpoint = first_free;
        if (endpoint) first_free = endpoint->next_free_;
    }
    if (!endpoint) {
        void* memory = heap_allocate(sizeof(Endpoint));
        if (!memory) {
            payer.return_memory(heap_size(sizeof(Endpoint)));
            return core::fail(Error::kNoMemory);
        }
        endpoint = new (memory) Endpoint;
    }
    endpoint->server_.store(abi::kCalledThread, std::memory_order_relaxed);
    endpoint->charged_to(payer);
    endpoint->keep_for_references();
    endpoint->publish(1);
    return RefPtr<Endpoint>::adopt(endpoint);
}

void Endpoint::append(IpcSlot& caller) {
    caller.next = nullptr;
    caller.previous = last_caller_;
    (last_caller_ ? last_caller_->next : first_caller_) = &caller;
    last_caller_ = &caller;
    caller.listed = true;
}

void Endpoint::unlink(IpcSlot& slot) {
    IpcSlot*& first = slot.receives ? receivers_ : first_caller_;
    (first == &slot ? first : slot.previous->next) = slot.next;  // the first one's `previous` says nothing
    if (slot.next)
        slot.next->previous = slot.previous;
    else if (!slot.receives)
        last_caller_ = slot.previous;
    slot.listed = false;
}

// One whose time has passed, or that was killed, takes itself out.
IpcSlot* Endpoint::take_receiver() {
    for (IpcSlot* slot = receivers_; slot; slot = slot->next) {
        Thread& thread = *slot->thread;
        if (thread.word().load().state() == ThreadState::kGone) continue;
        if (slot->deadline != kNever && !thread.ring.end_park(slot->deadline)) continue;
        unlink(*slot);
        return slot;
    }
    return nullptr;
}

// The call, out of every queue, with a reference to its thread, becomes what the receiver serves. -> what goes with it.
// The words are copied while the caller cannot go on by a time-out.
Endpoint::Gift Endpoint::match(IpcSlot& call, IpcSlot& receiver) {
    const auto words = std::min(call.info.words(), receiver.info.room());
    const auto caps = std::min(call.info.caps(), words);
    Gift gift{};
    const auto from = call.words(), to = receiver.words();
    for (std::uint32_t i = 0; i < words; ++i) {
        const auto word = from[i];
        if (i < caps) gift.slots[i] = word;
        to[i] = word;
    }
    if (caps) gift.from = call.thread->process;
    receiver.info = abi::message_info(words, caps);
    if (call.info.moved()) receiver.info = receiver.info.moving();
    receiver.badge = call.badge;
    receiver.deadline = call.deadline;
    const auto server = receiver.thread->ref;
    call.server.store(
        abi::ThreadRef{server.index | std::uint32_t{receiver.number} << 16, server.generation}.raw());
    receiver.plain = receiver.number != 0 ? call.plain : nullptr;
    receiver.caller.store(&call);
    // Last: a token that was guessed is none before.
    receiver.generation.fetch_add(1, std::memory_order_release);
    if (receiver.number == 0)
        receiver.thread->line.serves.store(static_cast<std::uint16_t>(call.thread->ref.index + 1),
                                           std::memory_order_relaxed);
    return gift;
}

void Endpoint::received_by(const Thread& thread) {
    server_.store(abi::called_name(thread.ref), std::memory_order_relaxed);
}

void Endpoint::send(IpcSlot& call) {
    IpcSlot* receiver;
    Gift gift;
    call.thread->retain();
    {
        SpinGuard guard(lock_);
        if (call.deadline != kNever) call.thread->ring.begin_park(call.deadline);  // before it can be found
        receiver = take_receiver();
        // The caller's own thread runs here and is about to wait: whoever makes it runnable again writes a time over this.
        if (call.number == 0)
            call.thread->line.runnable_since.store(
                receiver ? abi::called_name(receiver->thread->ref) : server_.load(std::memory_order_relaxed),
                std::memory_order_relaxed);
        if (receiver)
            gift = match(call, *receiver);
        else
            append(call);
    }
    if (!receiver) return;
    gift.give_to(*receiver);
    finish_receive(*receiver, static_cast<std::int64_t>(receiver->token_info().raw));
}

bool Endpoint::receive(IpcSlot& receiver) {
    Gift gift;
    if (receiver.number == 0) received_by(*receiver.thread);
    {
        SpinGuard guard(lock_);
        IpcSlot* const call = first_caller_;
        if (!call) {
            receiver.thread->retain();
            if (receiver.deadline != kNever) receiver.thread->ring.begin_park(receiver.deadline);
            push(receiver);
            return false;
        }
        unlink(*call);
        // Another one may have been expected. Not if the caller has been woken meanwhile: then a time stands there.
        auto& name = call->thread->line.runnable_since;
        if (auto expected = name.load(std::memory_order_relaxed);
            call->number == 0 && expected & abi::kCalledThread)
            name.compare_exchange_strong(expected, abi::called_name(receiver.thread->ref),
                                         std::memory_order_relaxed);
        gift = match(*call,
                     receiver);  // last: whoever guesses the token may end the call, and its slot, at once
    }
    gift.give_to(receiver);
    return true;
}

bool Endpoint::remove(IpcSlot& slot) {
    {
        SpinGuard guard(lock_);
        if (!slot.listed || slot.endpoint != this) return false;
        unlink(slot);
    }
    slot.thread->release();
    return true;
}

PendingOp Endpoint::withdraw(Thread& caller, std::uint64_t user_data) {
    IpcTable* const table = caller.ipc.table.load();
    if (!table) return {};
    for (IpcSlot& slot : table->slots) {
        const bool in_use = !(table->free.load() >> (slot.number - 1) & 1);
        if (!in_use || slot.endpoint != this || slot.op.user_data != user_data) continue;
        if (!cox::withdraw(slot)) continue;
        const PendingOp op = slot.op;
        caller.ipc.free(slot);
        return op;
    }
    return {};
}

void Endpoint::destroy() {
    for (;;) {
        IpcSlot* slot;
        bool waits = true;
        {
            SpinGuard guard(lock_);
            slot = first_caller_ ? first_caller_ : receivers_;
            if (!slot) break;
            unlink(*slot);
            const auto deadline = slot->deadline;  // one that has timed out may use its slot anew from now on
            if (deadline != kNever) waits = slot->thread->ring.end_park(deadline);
        }
        const auto gone = static_cast<std::int64_t>(Error::kGone);
        if (!waits)
            slot->thread->release();
        else if (slot->receives)
            finish_receive(*slot, gone);
        else
            finish_call(*slot, gone);
    }
    drop_memory();
}

void Endpoint::free_memory() {
    Quota& paid = payer();
    {
        SpinGuard guard(free_lock);
        next_free_ = first_free;
        first_free = this;
    }
    paid.return_memory(heap_size(sizeof(Endpoint)));
}

}  // namespace cox
