// SPDX-License-Identifier: MIT
//
// Record: what the dispatcher knows of the thread in one line of the status table; a Task and what policies
// do not see.
//
//     kNone ──observed unplaced──► kEnqueued ──picked, commit emitted──► kPlaced ──observed elsewhere, or
//     refused──► kNone
//       └──────────── observed queued or running (adoption, or the kernel placed it) ───────────────►┘
#pragma once

#include "call_graph.hpp"

namespace sched {

enum class Place : std::uint8_t {
    kNone,      // not runnable, as far as the dispatcher knows
    kEnqueued,  // with the policy
    kPlaced,    // at a CPU, or a commit to it is on its way
};

struct Record : CallNode {
    static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

    Place place = Place::kNone;
    bool commit_under_way = false;  // kPlaced by a commit whose effect has not been seen yet
    bool inherited = false;         // at a CPU as another policy or the kernel wanted it; to be recalled
    bool known = false;             // to the policy, at any time since this thread came or the policy did
    bool unusual = false;        // `foreign`, or the policy inherits: there is more to look at than the state
    bool foreign = false;        // the kernel says that it is not this domain's
    std::uint32_t sequence = 0;  // of the unplaced word seen last, so also what the commit expects
    std::uint64_t slice_ns = 0;  // of the last commit
    std::uint32_t hints = 0;     // in its hint line
    std::uint32_t recalled_for = kNobody;  // a recall is under way, for the sake of this CPU
    cox::core::QueueNode<Record> placed_node;

    // A new thread has come into the line. The old one has left the policy, its CPU, and the call graph.
    void begin(abi::ThreadRef new_ref, bool inherits) {
        ref = new_ref;
        scratch = {};
        known = foreign = inherited = false;
        unusual = inherits;
        hints = 0;  // those in the line are of another generation, so none
    }
};

using PlacedList = cox::core::IntrusiveQueue<Record, &Record::placed_node>;

}  // namespace sched
