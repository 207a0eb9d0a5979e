// SPDX-License-Identifier: MIT
#include "core/inbox.hpp"

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/owner_of.hpp"
#include "support/broken_inbox.hpp"

using namespace cox::core;

namespace {

std::vector<int> drain_kinds(Inbox& inbox) {
    std::vector<int> kinds;
    for (InboxBatch batch = inbox.take_all(); InboxNode* node = batch.pop();) {
        kinds.push_back(node->kind());
    }
    return kinds;
}

// What an owner does, for the inbox and for its broken twins alike.
void drain(Inbox& inbox, const std::function<void(InboxNode&)>& process) {
    for (InboxBatch batch = inbox.take_all(); InboxNode* node = batch.pop();) {
        process(*node);
    }
}

// The record changes while the owner is looking at it, after it has read the state.
template <class AnyInbox, class Node>
bool change_while_processed_is_seen() {
    AnyInbox inbox;
    Node node(1);
    int state = 1;
    int seen = 0;
    bool changed = false;
    (void)inbox.push(node);
    for (int rounds = 0; rounds < 3; ++rounds) {
        drain(inbox, [&](Node&) {
            seen = state;
            if (!changed) {
                changed = true;
                state = 2;
                (void)inbox.push(node);
            }
        });
    }
    return seen == 2;
}

// A node arrives between the two steps of taking; the owner looks again only when it was notified.
template <class AnyInbox, class Node>
bool push_while_taking_is_seen() {
    AnyInbox inbox;
    Node first(1);
    Node second(2);
    bool notified = inbox.push(first) == PushResult::kNotify;
    int seen = 0;
    bool pushed = false;
    while (notified) {
        notified = false;
        drain(inbox, [&](Node& node) {
            seen += node.kind();
            if (!pushed) {
                pushed = true;
                notified |= inbox.push(second) == PushResult::kNotify;
            }
        });
    }
    return seen == 3;
}

}  // namespace

TEST_CASE("inbox: in order, once, with one notification") {
    Inbox inbox;
    InboxNode a(1);
    InboxNode b(2);
    InboxNode c(3);
    CHECK(inbox.empty());
    CHECK(drain_kinds(inbox).empty());
    CHECK(inbox.push(a) == PushResult::kNotify);
    CHECK(inbox.push(b) == PushResult::kQueued);
    CHECK(inbox.push(a) == PushResult::kAlreadyQueued);
    CHECK(inbox.push(c) == PushResult::kQueued);
    CHECK(a.queued());
    CHECK_FALSE(inbox.empty());
    CHECK(drain_kinds(inbox) == std::vector<int>{1, 2, 3});
    CHECK_FALSE(a.queued());
    CHECK(inbox.empty());
    CHECK(inbox.push(c) == PushResult::kNotify);
    CHECK(drain_kinds(inbox) == std::vector<int>{3});
}

TEST_CASE("inbox: a node can be pushed again once it is popped, also while the rest of its batch waits") {
    Inbox inbox;
    std::array<InboxNode, 3> nodes{InboxNode(1), InboxNode(2), InboxNode(3)};
    for (InboxNode& node : nodes) {
        (void)inbox.push(node);
    }
    {
        InboxBatch batch = inbox.take_all();
        CHECK(batch.pop() == &nodes[0]);
        CHECK(inbox.push(nodes[0]) == PushResult::kNotify);
        CHECK(inbox.push(nodes[1]) == PushResult::kAlreadyQueued);  // still to be popped
        CHECK(batch.pop() == &nodes[1]);
        CHECK(batch.pop() == &nodes[2]);
        CHECK(batch.pop() == nullptr);
        CHECK(batch.empty());
    }
    CHECK(drain_kinds(inbox) == std::vector<int>{1});
}

TEST_CASE("inbox: one record with several nodes, told apart by kind") {
    struct Record {
        InboxNode wake{1};
        InboxNode kill{2};
        int wakes = 0;
        int kills = 0;
    } record;
    Inbox inbox;
    (void)inbox.push(record.kill);
    (void)inbox.push(record.wake);
    drain(inbox, [](InboxNode& node) {
        if (node.kind() == 1) {
            ++owner_of<&Record::wake>(node).wakes;
        } else {
            ++owner_of<&Record::kill>(node).kills;
        }
    });
    CHECK(record.wakes == 1);
    CHECK(record.kills == 1);
}

TEST_CASE("inbox: a change during processing is not lost; broken twins lose it, and the test sees that") {
    CHECK(change_while_processed_is_seen<Inbox, InboxNode>());
    CHECK(push_while_taking_is_seen<Inbox, InboxNode>());
    using cox::test::BrokenInbox;
    using cox::test::BrokenNode;
    using cox::test::InboxFault;
    CHECK(change_while_processed_is_seen<BrokenInbox<InboxFault::kNone>, BrokenNode>());
    CHECK(push_while_taking_is_seen<BrokenInbox<InboxFault::kNone>, BrokenNode>());
    CHECK_FALSE(
        change_while_processed_is_seen<BrokenInbox<InboxFault::kUnqueueAfterProcessing>, BrokenNode>());
    CHECK_FALSE(
        push_while_taking_is_seen<BrokenInbox<InboxFault::kClearNotifiedAfterDraining>, BrokenNode>());
}

namespace {

// Does once, at the next point where another CPU may come in between, what a test has set.
struct Between {
    static inline std::function<void()> action;
    static void between_steps() {
        if (const auto now = std::exchange(action, nullptr)) {
            now();
        }
    }
};
using ProbedInbox = BasicInbox<Between>;

// An owner that takes only when it has been notified, as a halted CPU does. Returns the kinds it took.
std::vector<int> serve_notified(ProbedInbox& inbox, bool& notified) {
    std::vector<int> kinds;
    while (std::exchange(notified, false)) {
        if (inbox.empty()) {
            continue;
        }
        for (InboxBatch batch = inbox.take_all(); InboxNode* node = batch.pop();) {
            kinds.push_back(node->kind());
        }
    }
    return kinds;
}

}  // namespace

TEST_CASE("inbox: a push between the two steps of taking is taken, or notifies") {
    ProbedInbox inbox;
    InboxNode a(1);
    InboxNode b(2);
    bool notified = inbox.push(a) == PushResult::kNotify;
    Between::action = [&] { notified |= inbox.push(b) == PushResult::kNotify; };
    CHECK(serve_notified(inbox, notified) == std::vector<int>{1, 2});
}

TEST_CASE("inbox: taking between the two steps of a push loses neither this node nor the next") {
    ProbedInbox inbox;
    InboxNode a(1);
    InboxNode b(2);
    InboxNode c(3);
    std::vector<int> kinds;
    const auto add = [&](const std::vector<int>& more) {
        kinds.insert(kinds.end(), more.begin(), more.end());
    };
    for (const bool with_other : {false, true}) {
        kinds.clear();
        bool notified = with_other && inbox.push(a) == PushResult::kNotify;
        Between::action = [&] {
            notified = true;  // for a reason of its own
            add(serve_notified(inbox, notified));
        };
        notified |= inbox.push(b) == PushResult::kNotify;
        add(serve_notified(inbox, notified));  // perhaps with nothing to take; the flag must not survive it
        notified |= inbox.push(c) == PushResult::kNotify;
        add(serve_notified(inbox, notified));
        CHECK(kinds == (with_other ? std::vector<int>{1, 2, 3} : std::vector<int>{2, 3}));
    }
}

namespace {

// Interrupts, with a clock to tell a lost one from a late one.
class FakeIpi {
public:
    void send() {
        const std::lock_guard guard(mutex_);
        pending_ = true;
        changed_.notify_one();
    }
    bool wait() {
        std::unique_lock guard(mutex_);
        const bool came = changed_.wait_for(guard, std::chrono::seconds(20), [&] { return pending_; });
        pending_ = false;
        return came;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool pending_ = false;
};

struct Counter {
    InboxNode node{1};
    std::atomic<std::uint64_t> wanted{0};  // raised by producers
    std::uint64_t seen = 0;                // owner
};

}  // namespace

TEST_CASE("inbox: stress: the owner sleeps until notified and misses nothing") {
    constexpr int kProducers = 4;
    constexpr int kRounds = 200000;
    constexpr std::size_t kRecords = 6;
    static std::array<Counter, kRecords> records;
    static Inbox inbox;
    FakeIpi ipi;
    std::vector<std::jthread> producers;
    for (int p = 0; p < kProducers; ++p) {
        producers.emplace_back([&ipi, p] {
            for (int round = 0; round < kRounds; ++round) {
                Counter& record = records[static_cast<std::size_t>(round * 7 + p) % kRecords];
                record.wanted.fetch_add(1, std::memory_order_relaxed);
                if (inbox.push(record.node) == PushResult::kNotify) {
                    ipi.send();
                }
            }
        });
    }
    std::uint64_t total = 0;
    bool lost = false;
    while (total < std::uint64_t{kProducers} * kRounds && !lost) {
        lost = !ipi.wait();
        for (InboxBatch batch = inbox.take_all(); InboxNode* node = batch.pop();) {
            Counter& record = owner_of<&Counter::node>(*node);
            const std::uint64_t wanted = record.wanted.load(std::memory_order_relaxed);
            total += wanted - record.seen;
            record.seen = wanted;
        }
    }
    CHECK_FALSE(lost);
    CHECK(total == std::uint64_t{kProducers} * kRounds);
    producers.clear();
    CHECK(drain_kinds(inbox).empty());
}

TEST_CASE("inbox: stress: what was written before a push is visible after the pop") {
    struct Message {
        InboxNode node{1};
        std::uint64_t payload = 0;  // not atomic: the thread sanitizer checks the hand-over
        std::atomic<std::uint64_t> answered{0};
    };
    constexpr std::uint64_t kRounds = 10000;
    static std::array<Message, 2> messages;
    static Inbox inbox;
    std::vector<std::jthread> producers;
    for (Message& message : messages) {
        producers.emplace_back([&message] {
            for (std::uint64_t round = 1; round <= kRounds; ++round) {
                message.payload = round;
                (void)inbox.push(message.node);
                while (message.answered.load(std::memory_order_acquire) != round) {
                    std::this_thread::yield();
                }
            }
        });
    }
    bool right = true;
    for (std::uint64_t answers = 0; answers < kRounds * messages.size();) {
        InboxBatch batch = inbox.take_all();
        if (batch.empty()) {
            std::this_thread::yield();
        }
        while (InboxNode* node = batch.pop()) {
            Message& message = owner_of<&Message::node>(*node);
            const std::uint64_t round = message.answered.load(std::memory_order_relaxed) + 1;
            right &= message.payload == round;
            message.answered.store(round, std::memory_order_release);
            ++answers;
        }
    }
    CHECK(right);
}
