// SPDX-License-Identifier: MIT
//
// CallGraph: who waits for whose reply, and for each thread whose claim counts: its donor (Task::donor). A caller waits for one
// thread, a server may have many callers, so the links are trees whose roots wait for nobody:
//
//     low ──► server A ──► server B          B's donor is the most urgent of all that wait for it, directly or by another:
//     high ────┘                             here `high`, by what Policy::claims_before() says
//
// A link that would close a ring, or make a chain of more than kMaxChain links, is not made: in a ring nobody can run anyway, and
// whoever stands beyond so long a chain lends nothing. So every walk ends.
//
// Costs: link() and unlink() look at the callers of each thread on the way down, kMaxChain at most.
#pragma once

#include "policy.hpp"

namespace sched {

// A task in the graph. All of it is the graph's.
struct CallNode : Task {
    CallNode* waits_for = nullptr;
    std::uint32_t call = 0;   // which of its calls that is: its sequence number while it waits
    std::uint32_t above = 0;  // the longest chain of those that wait for it
    cox::core::QueueNode<CallNode> caller_node;
    cox::core::IntrusiveQueue<CallNode, &CallNode::caller_node> callers;
};

class CallGraph {
public:
    static constexpr std::uint32_t kMaxChain = 8;

    // `change(node, donor)` is called for each whose donor is to be another one, nullptr for none, and stores it.

    // The caller, which waits for nobody, waits for the server's reply. False: not made.
    template <class Change>
    static bool link(const Policy& policy, CallNode& caller, CallNode& server, std::uint32_t call,
                     Change change) {
        std::uint32_t length = caller.above;
        for (const CallNode* node = &server; node != nullptr; node = node->waits_for) {
            if (node == &caller || ++length > kMaxChain) {
                return false;
            }
        }
        caller.waits_for = &server;
        caller.call = call;
        server.callers.push_back(caller);
        settle_from(policy, &server, change);
        return true;
    }

    // The caller does not wait any more.
    template <class Change>
    static void unlink(const Policy& policy, CallNode& caller, Change change) {
        if (CallNode* const server = caller.waits_for) {
            caller.waits_for = nullptr;
            server->callers.remove(caller);
            settle_from(policy, server, change);
        }
    }

    // The thread has gone: nobody waits for it, and it for nobody.
    template <class Change>
    static void forget(const Policy& policy, CallNode& node, Change change) {
        unlink(policy, node, change);
        while (CallNode* const caller = node.callers.front()) {
            node.callers.remove(*caller);
            caller->waits_for = nullptr;
        }
        settle_from(policy, &node, change);
    }

    // Claims may have changed by themselves.
    template <class Change>
    static void settle(const Policy& policy, CallNode& node, Change change) {
        (void)settle_one(policy, node, change);
    }

private:
    // False: all is as it was, and so is what lies below.
    template <class Change>
    static bool settle_one(const Policy& policy, CallNode& node, Change change) {
        Task* best = &node;
        std::uint32_t above = 0;
        for (CallNode& caller : node.callers) {
            Task* const claim = caller.donor != nullptr ? caller.donor : &caller;
            best = policy.claims_before(*claim, *best) ? claim : best;
            above = above > caller.above ? above : caller.above + 1;
        }
        Task* const donor = best != &node ? best : nullptr;
        const bool other = node.donor != donor;
        if (other) {
            change(node, donor);
        }
        const bool moved = node.above != above;
        node.above = above;
        return other || moved;
    }
    template <class Change>
    static void settle_from(const Policy& policy, CallNode* node, Change change) {
        while (node != nullptr && settle_one(policy, *node, change)) {
            node = node->waits_for;
        }
    }
};

}  // namespace sched
