// SPDX-License-Identifier: MIT
//
// Single-threaded twins of the inbox with one step out of order each, to show that a test would notice. With
// kNone the twin is right, so that what the tests find is the fault and not the twin.
#pragma once

#include <cstdint>
#include <deque>

#include "core/inbox.hpp"

namespace cox::test {

enum class InboxFault : std::uint8_t { kNone, kUnqueueAfterProcessing, kClearNotifiedAfterDraining };

class BrokenNode {
public:
    explicit BrokenNode(std::uint8_t kind) : kind_(kind) {}
    [[nodiscard]] std::uint8_t kind() const { return kind_; }
    bool queued = false;

private:
    std::uint8_t kind_;
};

template <InboxFault Fault>
struct BrokenInbox {
    std::deque<BrokenNode*> nodes;
    bool notified = false;

    core::PushResult push(BrokenNode& node) {
        if (node.queued) {
            return core::PushResult::kAlreadyQueued;
        }
        node.queued = true;
        nodes.push_back(&node);
        const bool was = notified;
        notified = true;
        return was ? core::PushResult::kQueued : core::PushResult::kNotify;
    }
};

template <InboxFault Fault, class Process>
void drain(BrokenInbox<Fault>& inbox, Process process) {
    if (Fault != InboxFault::kClearNotifiedAfterDraining) {
        inbox.notified = false;
    }
    std::deque<BrokenNode*> batch;
    batch.swap(inbox.nodes);
    for (BrokenNode* node : batch) {
        if (Fault != InboxFault::kUnqueueAfterProcessing) {
            node->queued = false;
        }
        process(*node);
        node->queued = Fault != InboxFault::kUnqueueAfterProcessing && node->queued;
    }
    if (Fault == InboxFault::kClearNotifiedAfterDraining) {
        inbox.notified = false;
    }
}

}  // namespace cox::test
