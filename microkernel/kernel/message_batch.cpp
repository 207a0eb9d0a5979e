// SPDX-License-Identifier: MIT
// A batch of kCall, and one of kReplyReceive, in one hold of the endpoint's lock and of one lock of the other side's ring, with one wake. All
// is as it would be one by one; what is not plain ends the batch, and goes the ordinary way (ops_endpoint.cpp):
//
//   each entry     no flags, the slot that the first one names, no capabilities
//   calls          go to receptions of one thread, through its ring and not linked, or wait in the queue
//   replies        go to calls of one thread, of the same kind; nobody waits to be received
//
// Who has gone: a thread closes its ring before it looks at its slots (finish_exit). So whoever is given a message while its ring's lock is held, and
// found open, finds it in its slot, and tells the caller.
#include "kernel/message_batch.hpp"

#include <algorithm>
#include <bit>

#include "kernel/endpoint.hpp"
#include "kernel/process.hpp"
#include "kernel/thread.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::MessageInfo;
using abi::Op;

namespace {

constexpr std::uint32_t kMost = 32;  // in one hold

constexpr std::uint64_t kPlaces = 63 << MessageInfo::kPlaceShift;
constexpr std::uint64_t kPlain = 15 | 15 << MessageInfo::kRoomShift | kPlaces;
// In a token, of as many bits as there are: a slot's number and its generation, which is odd.
constexpr unsigned kNumberShift = MessageInfo::kTokenShift, kGenerationShift = kNumberShift + 6;
constexpr std::uint64_t kToken = std::uint64_t{63} << kNumberShift | std::uint64_t{~0u - 1}
                                                                         << kGenerationShift;
constexpr std::uint64_t kOwes = std::uint64_t{1} << kGenerationShift;

using Entry = const volatile abi::Submission;
using Known = CapTable::Known<Endpoint>;

// The user may change an entry meanwhile: each field is read once.
std::uint64_t head_of(Entry& entry) {
    // Operation, flags, nothing reserved, in one word.
    static_assert(offsetof(abi::Submission, slot) == 8);
    return *reinterpret_cast<const volatile std::uint64_t*>(&entry);
}
bool is(Entry& entry, Op op, std::uint64_t slot) {
    return head_of(entry) == static_cast<std::uint64_t>(op) && entry.slot == slot;
}
bool is_plain_call(MessageInfo info) {
    // A place beyond the last one carries into what must be 0.
    constexpr std::uint64_t kBeyond = 64 - abi::kRingMessages;
    return !((info.raw + (kBeyond << MessageInfo::kPlaceShift)) & ~kPlain);
}
bool is_plain_reply(MessageInfo info) {
    return (info.raw & ~(kPlain | kToken)) == kOwes && info.place() < abi::kRingMessages;
}

// -> how many there are. Each is read once.
[[gnu::always_inline]] inline std::uint64_t copy_words(const std::uint64_t* from, std::uint64_t* to,
                                                       MessageInfo sent, MessageInfo room) {
    constexpr std::uint64_t kAll = abi::kMessageWords << MessageInfo::kRoomShift;
    auto count = sent.raw & 15;
    if (!(room.raw & kAll) || count > abi::kMessageWords) [[unlikely]]
        count = std::min(sent.words(), room.room());
#pragma clang loop unroll(disable)
    for (const auto* const end = from + count; from != end;) *to++ = *from++;
    return count;
}

// What both have in common: what is reserved for the entries before, and settled afterwards.
class Batch {
public:
    Batch(Thread& thread, std::uint32_t limit)
        : thread_(thread), reserved_(thread.ring.reserve(std::min(limit, kMost))) {
        thread.retain(reserved_);  // what a slot in a queue, or its call as somebody's `caller`, holds
    }
    std::uint32_t limit() const { return reserved_; }

    // No lock is held. So many entries were taken; what was posted to `other` was the last of as many references to it.
    std::uint32_t end(std::uint32_t taken, Thread* other, Ring::Posting::End posted) {
        if (posted.wakes) wake(*other);
        if (posted.posted) other->release(posted.posted);
        if (taken != reserved_) thread_.release(reserved_ - taken);
        thread_.ring.take_reserved(reserved_, taken);
        // A poller may work for a thread that has gone meanwhile, and has looked at its slots already.
        if (thread_.word().load().state() == abi::ThreadState::kGone) [[unlikely]]
            forget_ipc(thread_);
        return taken;
    }

private:
    Thread& thread_;
    const std::uint32_t reserved_;
};

[[gnu::noinline]] std::uint32_t take_calls(Thread& thread, IpcTable& table, const Known& known,
                                           std::uint32_t limit) {
    Batch batch(thread, limit);
    // The free slots are the batch's while it goes on. acquire: pairs with Ipc::free(), so that what was done with them is over
    std::uint32_t free = table.free.exchange(0, std::memory_order_acquire);
    Endpoint& object = *known.object;
    const auto badge = known.badge;
    const auto rows = thread.ring.message(0);
    Entry* const first = &thread.ring.upcoming();
    Entry* entry = first;
    Endpoint::Quick endpoint(object);
    Ring::Posting posting;
    Ring::Posting::End posted{};
    endpoint.lock();
    IpcSlot* to = endpoint.first_receiver();
    Thread* const receiver = to ? to->plain : nullptr;
    Entry* end = first + std::min(batch.limit(), static_cast<std::uint32_t>(std::popcount(free)));
    const bool goes_on = known.still() && end != first;
    const abi::ThreadRef ref = thread.ref;
    const std::uint64_t slot = known.slot;
    // A slot for the entry, of which there are as many as entries up to `end`.
    const auto take = [&](MessageInfo info) -> IpcSlot& {
        [[assume(free != 0)]];
        IpcSlot& call = table.slots[std::countr_zero(free)];
        free &= free - 1;
        call.receives = false;
        call.row = rows + info.place() * abi::kMessageWords;
        call.endpoint = &object;
        call.op = {ref, entry->user_data};
        call.info = info;
        return call;
    };
    if (goes_on && !to) {
        do {
            const MessageInfo info{entry->args[0]};
            if (!is(*entry, Op::kCall, slot) || !is_plain_call(info)) break;
            IpcSlot& call = take(info);
            call.deadline = kNever;
            call.badge = badge;
            call.plain = &thread;
            endpoint.append_caller(call);
        } while (++entry != end);
    } else if (goes_on && receiver &&
               posting.begin(receiver->ring)) {  // one that has gone takes its slots out soon
        const std::uint64_t server = receiver->ref.raw();
        end = std::min(end, first + posting.room());
        do {
            const MessageInfo info{entry->args[0]};
            if (!is(*entry, Op::kCall, slot) || !is_plain_call(info)) break;
            IpcSlot& call = take(info);
            const auto words = copy_words(call.row, to->row, info, to->info);
            const std::uint64_t number = to->number, user_data = to->op.user_data;
            IpcSlot* const next = to->next;
            call.server.store(server | number << 16, std::memory_order_relaxed);
            to->plain = &thread;
            to->listed = false;
            to->caller.store(&call, std::memory_order_relaxed);
            const std::uint32_t generation = to->generation.load(std::memory_order_relaxed) + 1;
            // Last: who guesses the token may use the slot anew at once. release: pairs with take_token()
            to->generation.store(generation, std::memory_order_release);
            posting.post(user_data,
                         words | number << kNumberShift | std::uint64_t{generation} << kGenerationShift,
                         badge);
            to = next;
        } while (++entry != end && to && to->plain == receiver);
        endpoint.set_receivers(to);
        posted = posting.end();
    }
    endpoint.unlock();
    if (free) table.free.fetch_or(free, std::memory_order_release);
    return batch.end(static_cast<std::uint32_t>(entry - first), receiver, posted);
}

// Whose reply is due by the token, from 0 on; beyond the last one: nobody's.
std::uint64_t index_of(MessageInfo info) { return (info.raw >> kNumberShift & 63) - 1; }

[[gnu::noinline]] std::uint32_t take_replies(Thread& thread, IpcTable& table, const Known& known,
                                             std::uint32_t limit) {
    Entry* const first = &thread.ring.upcoming();
    const auto first_index = index_of({first->args[0]});
    // Its thread may have gone, and its line may be another's: then there is no call, or none that is plain.
    Thread* const caller = first_index < IpcTable::kSlots ? table.slots[first_index].plain : nullptr;
    if (!caller || !caller->retain_if_alive()) return 0;
    Batch batch(thread, limit);
    Endpoint& object = *known.object;
    const auto rows = thread.ring.message(0);
    std::uint32_t freed = 0;
    Entry* entry = first;
    Endpoint::Quick endpoint(object);
    Ring::Posting posting;
    Ring::Posting::End posted{};
    endpoint.lock();
    if (known.still() && !endpoint.has_callers() && batch.limit() != 0 && posting.begin(caller->ring)) {
        const abi::ThreadRef ref = thread.ref;
        const std::uint64_t named = known.slot;
        Entry* const end = first + std::min(batch.limit(), posting.room());
        IpcSlot* receivers = endpoint.first_receiver();
        do {
            const MessageInfo info{entry->args[0]};
            if (!is(*entry, Op::kReplyReceive, named) || !is_plain_reply(info)) break;
            const auto index = index_of(info);
            if (index >= IpcTable::kSlots) break;
            IpcSlot& slot = table.slots[index];
            auto generation = static_cast<std::uint32_t>(info.raw >> kGenerationShift);
            if (slot.plain != caller || !slot.generation.compare_exchange_strong(generation, generation + 1))
                break;
            std::uint64_t* const row = rows + info.place() * abi::kMessageWords;
            slot.row = row;
            slot.endpoint = &object;
            slot.op = {ref, entry->user_data};
            slot.info = info;
            slot.plain = &thread;
            // It may have given up.
            if (IpcSlot* const call = slot.caller.exchange(nullptr)) [[likely]] {
                posting.post(call->op.user_data, copy_words(row, call->row, info, call->info), 0);
                freed |= 1u << (call->number - 1);
            }
            slot.put_before(receivers);
            receivers = &slot;
        } while (++entry != end);
        endpoint.set_receivers(receivers);
        if (freed) caller->ipc.table.load()->free.fetch_or(freed, std::memory_order_release);
        posted = posting.end();
    }
    endpoint.unlock();
    const auto taken = batch.end(static_cast<std::uint32_t>(entry - first), caller, posted);
    caller->release();
    return taken;
}

}  // namespace

std::uint32_t take_messages(Thread& thread, std::uint32_t limit) {
    const volatile abi::Submission& first = thread.ring.upcoming();
    const auto head = head_of(first);
    const bool calls = head == static_cast<std::uint64_t>(Op::kCall);
    if (!calls && head != static_cast<std::uint64_t>(Op::kReplyReceive)) return 0;
    IpcTable* const table = thread.ipc.table.load(std::memory_order_relaxed);
    Known known;
    if (!table || !thread.process->caps.learn(abi::CapSlot::from_raw(first.slot),
                                              calls ? abi::kWrite : abi::kRead, known))
        return 0;
    return calls ? take_calls(thread, *table, known, limit) : take_replies(thread, *table, known, limit);
}

}  // namespace cox
