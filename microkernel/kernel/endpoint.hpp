// SPDX-License-Identifier: MIT
// Endpoint: where callers and receivers meet. One of its two queues is empty: whoever comes looks for one of the others first.
// Callers are served first in, first out; of receivers the one that came last goes first, because its memory is warm.
//
// The memory of an endpoint is an endpoint's for ever, so its lock may be taken by whoever once had to do with it.
#pragma once
#include "abi/sched.hpp"
#include "core/result.hpp"
#include "kernel/fault_handler.hpp"
#include "kernel/ipc.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

class Process;

class Endpoint final : public FaultTarget {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kEndpoint;

    static core::Result<RefPtr<Endpoint>> create(Quota& payer);
    Endpoint() : FaultTarget(kType, Unborn{}) {}  // create() alone

    // A call goes to a receiver, or waits for one. Holding no lock.
    void send(IpcSlot& call);
    // The thread receives here by cap_call: so whoever waits here for a receiver waits for it, so far as one can tell.
    void received_by(const Thread& thread);
    // True: a message has come at once: receiver.token_info(), receiver.badge. False: it waits.
    bool receive(IpcSlot& receiver);
    // Takes the slot out of the queue. False: it does not stand there.
    bool remove(IpcSlot& slot);
    PendingOp withdraw(Thread& caller, std::uint64_t user_data) override;

    // For direct_call.cpp and message_batch.cpp: each step in place. Between lock() and unlock().
    class Quick {
    public:
        explicit Quick(Endpoint& endpoint) : e_(endpoint) {}
        void lock() COX_UNCHECKED { e_.lock_.lock(); }
        void unlock() COX_UNCHECKED { e_.lock_.unlock(); }
        bool has_callers() const COX_UNCHECKED { return e_.first_caller_; }
        IpcSlot* first_receiver() const COX_UNCHECKED { return e_.receivers_; }
        void drop_receiver(IpcSlot& first) COX_UNCHECKED {
            e_.receivers_ = first.next;
            first.listed = false;
        }
        void push_receiver(IpcSlot& slot) COX_UNCHECKED { e_.push(slot); }
        // Of several taken out or put before the others: the first that is left.
        void set_receivers(IpcSlot* first) COX_UNCHECKED { e_.receivers_ = first; }
        void append_caller(IpcSlot& slot) COX_UNCHECKED { e_.append(slot); }

    private:
        Endpoint& e_;
    };

private:
    void destroy() override;
    void free_memory() override;
    void append(IpcSlot& caller) COX_REQUIRES(lock_);
    [[gnu::always_inline]] void push(IpcSlot& receiver) COX_REQUIRES(lock_);
    void unlink(IpcSlot& slot) COX_REQUIRES(lock_);
    // The first that waits still.
    IpcSlot* take_receiver() COX_REQUIRES(lock_);
    // What goes with a message. The slots are copied once: who reads them next must not choose others.
    struct Gift {
        RefPtr<Process> from;
        std::uint64_t slots[abi::kMessageCaps];
        void give_to(const IpcSlot& receiver) const;
    };
    Gift match(IpcSlot& call, IpcSlot& receiver) COX_REQUIRES(lock_);

    SpinLock lock_{LockRank::kEndpoint};
    IpcSlot* first_caller_ COX_GUARDED_BY(lock_) = nullptr;
    IpcSlot* last_caller_ COX_GUARDED_BY(lock_) = nullptr;
    IpcSlot* receivers_ COX_GUARDED_BY(lock_) = nullptr;  // the last that came
    std::atomic<std::uint64_t> server_{
        abi::kCalledThread};  // abi::called_name() of who came last; for the status lines of callers alone
    Endpoint* next_free_ = nullptr;  // in the list of those that nobody refers to
};

inline void Endpoint::push(IpcSlot& receiver) {
    receiver.put_before(receivers_);
    receivers_ = &receiver;
}

}  // namespace cox
