// SPDX-License-Identifier: MIT
//
// Inbox: how any CPU hands a record to the CPU that owns some state. Many producers, one consumer (the
// owner), lock-free; the node is part of the record, so that posting can neither fail nor allocate.
//
//     producer: change the state the record is about; push(node); when told kNotify, send the IPI
//     owner:    for (InboxBatch batch = inbox.take_all(); InboxNode* node = batch.pop();)
//                   act on the state as it is now
//
// A node that is queued already is not queued twice. Nothing is lost by that: pop() takes the node out of the
// queue *before* the owner looks at the state, so the pending look sees what the second producer wrote. The
// node may stand in another CPU's inbox than the one it was pushed to; so whoever pops it looks up where its
// record belongs now, and pushes it on if that is elsewhere. A record may be reused only while its node is
// not queued and no batch holds it.
//
// Atomics:
// - queued_. push: exchange(true, acq_rel); pairs with pop: exchange(false, acq_rel). A push that finds true
//   comes before the pop in the modification order, and the pop reads from it or from a later such push,
//   which continues its release; so the owner sees what this producer wrote before. A push that finds false
//   acquires from the pop: the owner has read the node's link and is through with it.
// - head_. push: CAS(release); pairs with take_all: exchange(acquire). Hands over the links and the nodes.
// - notified_. push: exchange(true, acq_rel) after its CAS; pairs with take_all: exchange(false, acq_rel)
//   ahead of its exchange of head_. Either the push comes first in the modification order: then the clearing
//   reads from it, and the exchange of head_ that follows takes the node. Or the clearing comes first: then
//   the push finds false and notifies, or finds that another push has done so since, whose notification
//   brings a later clearing.
#pragma once

#include "core/assert.hpp"

#include <atomic>
#include <cstdint>

namespace cox::core {

// `kind` tells the owner which record the node is part of (see owner_of.hpp); the values are the user's.
class InboxNode {
public:
    explicit InboxNode(std::uint8_t kind) : kind_(kind) {}
    InboxNode(const InboxNode&) = delete;
    InboxNode& operator=(const InboxNode&) = delete;

    [[nodiscard]] std::uint8_t kind() const { return kind_; }

    // A hint while producers are about; exact once nobody pushes the node any more.
    [[nodiscard]] bool queued() const { return queued_.load(std::memory_order_acquire); }

private:
    template <class Probe>
    friend class BasicInbox;
    friend class InboxBatch;

    InboxNode* next_ = nullptr;  // written by whoever set queued_, then by the owner until it clears queued_
    std::atomic<bool> queued_{false};
    std::uint8_t kind_;
};

enum class PushResult : std::uint8_t {
    kAlreadyQueued,  // a look at the record is pending, and will see the newest state
    kQueued,         // the owner has been notified and has not drained since
    kNotify,         // the caller must notify the owner
};

// What take_all() took, oldest first. Owner only. Drain it to the end: it is destroyed empty.
class InboxBatch {
public:
    explicit InboxBatch(InboxNode* first) : first_(first) {}
    InboxBatch(const InboxBatch&) = delete;
    InboxBatch& operator=(const InboxBatch&) = delete;
    ~InboxBatch() { COX_ASSERT(first_ == nullptr); }

    [[nodiscard]] bool empty() const { return first_ == nullptr; }

    // The next node, free to be pushed again from this moment on; nullptr at the end.
    [[nodiscard]] InboxNode* pop() {
        InboxNode* const node = first_;
        if (node != nullptr) {
            first_ = node->next_;
            node->queued_.exchange(false, std::memory_order_acq_rel);
        }
        return node;
    }

private:
    InboxNode* first_;
};

struct NoProbe {
    static void between_steps() {}
};

// Probe::between_steps() is called where another CPU may come in between, so that a test can be that CPU.
template <class Probe>
class BasicInbox {
public:
    BasicInbox() = default;
    BasicInbox(const BasicInbox&) = delete;
    BasicInbox& operator=(const BasicInbox&) = delete;

    // Any CPU. The loop is lock-free: a failed CAS means that another push succeeded.
    [[nodiscard]] PushResult push(InboxNode& node) {
        if (node.queued_.exchange(true, std::memory_order_acq_rel)) {
            return PushResult::kAlreadyQueued;
        }
        InboxNode* head = head_.load(std::memory_order_relaxed);
        do {
            node.next_ = head;
        } while (
            !head_.compare_exchange_weak(head, &node, std::memory_order_release, std::memory_order_relaxed));
        Probe::between_steps();
        return notified_.exchange(true, std::memory_order_acq_rel) ? PushResult::kQueued
                                                                   : PushResult::kNotify;
    }

    // The owner. Producers build a stack; reversing it once restores the order.
    [[nodiscard]] InboxBatch take_all() {
        notified_.exchange(false, std::memory_order_acq_rel);
        Probe::between_steps();
        InboxNode* stack = head_.exchange(nullptr, std::memory_order_acquire);
        InboxNode* first = nullptr;
        while (stack != nullptr) {
            InboxNode* const next = stack->next_;
            stack->next_ = first;
            first = stack;
            stack = next;
        }
        return InboxBatch(first);
    }

    // The owner, to skip a take_all() that would do nothing. False as long as the flag is set, even with
    // nothing to take: a drain may have taken a node before its producer set the flag, which must not stay.
    [[nodiscard]] bool empty() const {
        return head_.load(std::memory_order_relaxed) == nullptr && !notified_.load(std::memory_order_relaxed);
    }

private:
    alignas(64) std::atomic<InboxNode*> head_{nullptr};
    std::atomic<bool> notified_{false};
};

using Inbox = BasicInbox<NoProbe>;

}  // namespace cox::core
