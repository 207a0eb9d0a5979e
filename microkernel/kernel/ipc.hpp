// SPDX-License-Identifier: MIT
// IpcSlot: one end of a message: a call that waits, or a receiver and then the reply that it owes. A thread has one of each for what
// it does by cap_call, and kSlots for what it does through its ring; both kinds are made when they are first needed.
//
//     call       idle ─► in the endpoint's queue ─► served: the server's slot names it as `caller` ─► idle
//     receiver   idle ─► in the endpoint's queue ─► owes: `caller` ─► idle
//
// A slot in a queue holds a reference to its thread, and so does `caller` to the caller's; it moves with the call.
// Who may end a call: whoever takes it out of the queue, under the endpoint's lock, or out of `caller`, by exchange. That one alone
// writes the caller's result and wakes it, once. So reply, time-out, cancelling and the death of either side meet in one word.
// What has a time-out is also a wait of its thread's ring (Ring::begin_park): then that says who was first.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "abi/calls.hpp"
#include "abi/message.hpp"
#include "core/result.hpp"
#include "kernel/cap_table.hpp"
#include "kernel/completion.hpp"
#include "kernel/object.hpp"

namespace cox {

struct Cpu;
class Endpoint;
class Process;
class Thread;

// Where the words of a message are: registers in a frame, or a row of words.
struct MessageWords {
    std::uint64_t* base;
    const std::uint8_t* order;

    std::uint64_t& operator[](std::uint32_t index) const { return base[order[index]]; }
    static MessageWords in_frame(Thread& thread);
    static MessageWords in_row(std::uint64_t* row);
};

// Threads of different kinds do not lend each other their time: kDomain + its number, of a thread of a domain.
enum class IpcKind : std::uint8_t { kNone, kSystem, kDomain, kNever = 255 };

struct IpcSlot {
    // The endpoint's: under its lock. `previous` of a queue's first says nothing.
    IpcSlot* next = nullptr;
    IpcSlot* previous = nullptr;
    bool listed = false;
    void put_before(IpcSlot* second) {
        next = second;
        if (second) [[likely]]
            second->previous = this;
        listed = true;
    }

    // Written by its thread, or that one's poller, before the slot is used.
    bool receives = false;
    std::uint8_t number = 0;  // 0: by cap_call
    // A direct switch may take it (direct_call.cpp): by cap_call, without a time-out, of a thread of this kind; kNone: it may not.
    IpcKind quick = IpcKind::kNone;
    bool for_kernel =
        false;  // a call that the kernel makes for a thread that has stopped: its registers stay as they are
    Thread* thread = nullptr;
    std::uint64_t* row = nullptr;  // where its words are, by the ring or for the kernel
    Endpoint* endpoint = nullptr;  // where it was used last; its memory is an endpoint's for ever
    PendingOp op;                  // through the ring
    // Of its own wait; of a receiver that has a caller, of the caller's.
    std::uint64_t deadline = ~0ull;
    abi::MessageInfo info;
    std::uint64_t badge = 0;  // a call's own, and then its receiver's

    // A call: the slot that serves it, or has served the one before: written by whoever matches the two.
    std::atomic<std::uint64_t> server{0};
    // A receiver: whom it owes a reply. seq_cst: the server's death looks after its word has changed, who matches looks at the word
    // after this has.
    std::atomic<IpcSlot*> caller{nullptr};
    // By the ring, whom a batch may tell (message_batch.cpp), since its operation is not linked: the slot's own thread; with a caller, that one.
    Thread* plain = nullptr;
    // Of the token: rises with each message, and when the token is used: so it is odd while a reply is owed through the ring.
    std::atomic<std::uint32_t> generation{0};
    static bool owes(std::uint32_t generation) { return generation & 1; }

    std::uint8_t plain_room() const { return static_cast<std::uint8_t>(info.raw >> 8); }  // if it is quick
    MessageWords words() const;
    // What the receiver is told: what has come, and how to answer it.
    abi::MessageInfo token_info() const {
        if (number == 0) return info;
        return info.with_token(std::uint64_t{generation.load(std::memory_order_relaxed)} << 6 | number);
    }
};

// A frame of its own, which goes back when the thread does: of a slot of another thread nothing is touched but under its endpoint's lock
// while it stands in the queue, or by whoever has a reference to that thread.
struct IpcTable {
    static constexpr std::uint32_t kSlots = 32;
    std::atomic<std::uint32_t> free{~0u};
    IpcSlot slots[kSlots];
};
static_assert(IpcTable::kSlots == 32);
static_assert(sizeof(IpcTable) <= abi::kPageSize && std::is_trivially_destructible_v<IpcTable>);

// Of one thread.
struct Ipc {
    Ipc();
    ~Ipc();

    // As it was named last by kCall and by kReplyReceive: then the slot's `endpoint` is the same.
    CapTable::Known<Endpoint> called, served;
    // Most threads send nothing: these are there from the first use on, before which the thread says need().
    bool made = false;
    union {
        IpcSlot call;
    };
    union {
        IpcSlot receive;
    };
    void need(Thread& thread) {
        if (!made) [[unlikely]]
            make(thread);
    }
    IpcKind kind = IpcKind::kNever;  // known when one of the two is
    std::uint16_t line_name = 0;     // 1 + its line
    // It runs on the time of so many callers, one of another: none has been heard of as blocked. Negative: the last one is a thread that has
    // faulted, so that the reply goes another way.
    static constexpr std::uint8_t kMaxLoan = 8;
    std::int8_t loan = 0;
    bool may_lend() const { return static_cast<std::uint8_t>(loan) < kMaxLoan; }
    IpcSlot* waits = nullptr;               // which of the two, with a time-out or for the kernel: finish_ipc
    std::atomic<IpcTable*> table{nullptr};  // made by whoever takes submissions

    // By cap_call, until its frame is complete.
    RefPtr<Object> endpoint;
    abi::Op op;
    abi::MessageInfo info;
    std::uint64_t badge;

    std::array<std::uint64_t, 4> kernel_words;  // call_for_thread
    std::int64_t kernel_result;

    // For the ring. kNoMemory; kBusy: all are in use.
    core::Result<IpcSlot*> allocate(Thread& thread);
    void free(IpcSlot& slot);
    // By its number; nullptr: none such.
    IpcSlot* find(std::uint32_t number);

private:
    void make(Thread& thread);
};

// kNever: of agents, and where direct switches are not to be.
IpcKind kind_of(const Thread& thread);
// What a slot of the thread's may be.
IpcKind quick_kind(const Thread& thread);

void prepare_direct_calls(Cpu& cpu);  // once its number is known

// The current thread's call of an endpoint's operation, its frame complete. It may leave the CPU.
void call_endpoint(Cpu& cpu, Thread& thread);
// It runs again, and is still Thread::kInIpc. False: it has ended instead.
bool finish_ipc(Cpu& cpu, Thread& thread);
// It has gone: its waits end, and those to whom it owes a reply are told. Any CPU; its ring is closed.
void forget_ipc(Thread& thread);

// The current thread stops, and the kernel calls `endpoint` for it, with words of the kernel's. When that is answered the thread goes on
// where it was; when it cannot be (kGone), or the answer's first word is not 0, it ends as one that an exception has ended.
void call_for_thread(Cpu& cpu, Thread& thread, Endpoint& endpoint, std::uint64_t badge,
                     const std::array<std::uint64_t, 4>& words);

// For call_for_thread, and direct_fault.cpp: the slot of the call, its words and its size.
IpcSlot& prepare_call_for(Thread& thread, Endpoint& endpoint, const std::array<std::uint64_t, 4>& words);

// Takes the slot out of wherever it waits. False: somebody else is just ending that wait, or it does not wait. Any CPU.
bool withdraw(IpcSlot& slot);
// The thread, which runs on its callers' time, has stopped otherwise than by a reply: they have events to come.
void end_loan(Thread& thread, std::uint32_t cpu);
// What is left of a slot whose thread has gone. Any CPU.
void forget(IpcSlot& slot);
// Takes out whom the slot owes a reply, if that one waits still: then finish_call() is to follow. nullptr: nobody.
IpcSlot* claim_caller(IpcSlot& slot);
// A receiver that has waited and was taken out of the queue has a message, or an error: its thread is woken. Gives up the queue's reference.
void finish_receive(IpcSlot& receiver, std::int64_t result);
// Of a call that was claimed, or taken out of the queue: its result; the words are there already. False: its thread has gone.
bool finish_call(IpcSlot& call, std::int64_t result);
// The slot of what the token was given for; the token is used up by that, and the slot the caller's to use or to free. nullptr: no such
// token, or used already. Token 0: what was received by cap_call, whether or not there is something.
IpcSlot* take_token(Thread& thread, abi::MessageInfo info);
// To whom the slot owes a reply: 0, or kNoCaller.
std::int64_t reply(IpcSlot& slot, abi::MessageInfo info, MessageWords words);
// Of a message, for the receiver: with the sender's rights. 0: it cannot be given any more, or there is no room.
std::uint64_t give_cap(Process& from, std::uint64_t slot, Process& to, bool move);

}  // namespace cox
