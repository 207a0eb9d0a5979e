// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <vector>

#include "cap/ring.hpp"

using namespace cap;

namespace {

// The kernel's side: takes entries, and completes kNop at once with its first argument; everything else stays
// in flight until finish() is called, or until an enter that waits: then the oldest is completed.
class RingModel {
public:
    RingModel() { current = this; }
    ~RingModel() { current = nullptr; }

    std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(pages_->bytes); }
    int enters = 0;
    bool refuse = false;    // take nothing, as when there is no room for completions
    bool time_out = false;  // what waits is not completed
    enum class Cancel { kWorks, kTooLate, kCompletes } cancel_outcome = Cancel::kWorks;
    std::deque<abi::Submission> in_flight;

    void complete(std::uint64_t user_data, std::int64_t result) {
        const std::uint32_t tail = header().cq_tail.load();
        REQUIRE(tail - header().cq_head.load() < abi::kCqEntries);
        completions()[tail % abi::kCqEntries] = {user_data, result, 0, 0};
        header().cq_tail.store(tail + 1);
    }
    void finish(std::int64_t result) {
        const abi::Submission entry = in_flight.front();
        in_flight.pop_front();
        complete(entry.user_data, result);
    }

    EnterResult enter(std::uint64_t min_complete) {
        ++enters;
        std::uint64_t taken = 0;
        while (!refuse && header().sq_head.load() != header().sq_tail.load()) {
            const std::uint32_t head = header().sq_head.load();
            REQUIRE(header().sq_tail.load() - head <= abi::kSqEntries);
            const abi::Submission entry = submissions()[head % abi::kSqEntries];
            header().sq_head.store(head + 1);
            ++taken;
            if (entry.op != abi::Op::kNop) {
                in_flight.push_back(entry);
            } else if ((entry.flags & abi::kQuietSuccess) == 0) {
                complete(entry.user_data, static_cast<std::int64_t>(entry.args[0]));
            }
        }
        while (ready() < min_complete && !time_out && !in_flight.empty()) {
            finish(100);
        }
        const bool enough = ready() >= min_complete;
        return {
            enough ? static_cast<std::int64_t>(ready()) : static_cast<std::int64_t>(abi::Error::kTimedOut),
            taken};
    }

    // kTooLate: it completes later; kCompletes: it has just completed.
    void cancel(std::uint64_t user_data) {
        REQUIRE(in_flight.size() == 1);
        REQUIRE(in_flight.front().user_data == user_data);
        if (cancel_outcome != Cancel::kTooLate) {
            finish(cancel_outcome == Cancel::kWorks ? static_cast<std::int64_t>(abi::Error::kCancelled) : 9);
        }
    }

    static RingModel* current;

private:
    struct alignas(4096) Pages {
        std::byte bytes[abi::kRingPages * abi::kPageSize];
    };

    abi::RingHeader& header() { return *reinterpret_cast<abi::RingHeader*>(pages_->bytes); }
    abi::Submission* submissions() {
        return reinterpret_cast<abi::Submission*>(pages_->bytes + abi::kPageSize);
    }
    abi::Completion* completions() {
        return reinterpret_cast<abi::Completion*>(pages_->bytes + 2 * abi::kPageSize);
    }
    std::uint64_t ready() { return header().cq_tail.load() - header().cq_head.load(); }

    std::unique_ptr<Pages> pages_{new Pages{}};
};

RingModel* RingModel::current = nullptr;

struct ModelDoor {
    static EnterResult enter(std::uint64_t min_complete, std::uint64_t) {
        return RingModel::current->enter(min_complete);
    }
    static void cancel(std::uint64_t, std::uint64_t user_data) { RingModel::current->cancel(user_data); }
};
using TestRing = BasicRing<ModelDoor>;

abi::Submission nop(std::uint64_t user_data, std::uint64_t value) {
    return submission(abi::Op::kNop, {}, user_data, value);
}
abi::Submission slow(std::uint64_t user_data) { return submission(abi::Op::kWaitBits, {}, user_data); }

// A call whose time passes, and which cannot be cancelled: its completion comes at last, between two others.
void time_out_past_cancelling(RingModel& model, TestRing& ring) {
    model.time_out = true;
    model.cancel_outcome = RingModel::Cancel::kTooLate;
    CHECK(ring.call(slow(0), 1).error() == abi::Error::kTimedOut);
    model.complete(1, 11);
    model.finish(5);
    model.complete(2, 22);
}

}  // namespace

TEST_CASE("libcap ring: nothing reaches the kernel before it is submitted") {
    RingModel model;
    TestRing ring(model.address());
    REQUIRE(ring.prepare(nop(1, 11)));
    REQUIRE(ring.prepare(nop(2, 22)));
    CHECK(model.enters == 0);
    CHECK(!ring.next());
    CHECK(ring.submit_and_wait(2) == 2);
    CHECK(ring.next()->result == 11);
    CHECK(ring.next()->user_data == 2);
    CHECK(!ring.next());
}

TEST_CASE("libcap ring: a full queue is submitted, and never overfilled") {
    RingModel model;
    TestRing ring(model.address());
    for (std::uint32_t i = 0; i < abi::kSqEntries; ++i) {
        REQUIRE(ring.prepare(nop(i, i)));
    }
    CHECK(ring.free_entries() == 0);
    CHECK(model.enters == 0);
    REQUIRE(ring.prepare(nop(64, 64)));
    CHECK(model.enters == 1);
    REQUIRE(ring.submit_and_wait(1));
    for (std::uint64_t i = 0; i <= abi::kSqEntries; ++i) {
        CHECK(ring.next()->user_data == i);
    }
}

TEST_CASE("libcap ring: a row is as many entries, in order, also where the queue fills up in between") {
    RingModel model;
    TestRing ring(model.address());
    REQUIRE(ring.prepare(nop(0, 0)));
    constexpr std::uint32_t kRow = abi::kSqEntries + 3;
    REQUIRE(ring.prepare_row(kRow, [](std::uint32_t i) { return nop(i + 1, i); }));
    CHECK(model.enters == 1);
    REQUIRE(ring.submit_and_wait(kRow + 1));
    for (std::uint64_t i = 0; i <= kRow; ++i) {
        CHECK(ring.next()->user_data == i);
    }
    CHECK(!ring.next());
    REQUIRE(ring.prepare_row(0, [](std::uint32_t) { return abi::Submission(); }));
    model.refuse = true;
    CHECK(ring.prepare_row(kRow, [](std::uint32_t i) { return nop(i, i); }).error() ==
          abi::Error::kQueueFull);
}

TEST_CASE("libcap ring: answers are queued in the completions' order, as far as there is room") {
    RingModel model;
    TestRing ring(model.address());
    const auto answer = [](const abi::Completion& come) {
        return submission(abi::Op::kReceive, {}, come.user_data + 1000,
                          static_cast<std::uint64_t>(come.result));
    };
    CHECK(ring.prepare_answers(answer) == 0);
    // One is kept back by a call, the others are in the queue.
    model.complete(1, 10);
    REQUIRE(ring.call(nop(0, 3)) == 3U);
    constexpr std::uint32_t kMany = abi::kSqEntries + 2;
    for (std::uint64_t i = 2; i <= kMany; ++i) {
        model.complete(i, static_cast<std::int64_t>(10 * i));
    }
    CHECK(ring.prepare_answers(answer) == abi::kSqEntries);
    CHECK(ring.prepare_answers(answer) == 0);
    CHECK(ring.prepare(nop(0, 0)));  // the kernel takes those first
    CHECK(ring.prepare_answers(answer) == kMany - abi::kSqEntries);
    model.enter(0);
    REQUIRE(model.in_flight.size() == kMany);
    for (std::uint64_t i = 1; i <= kMany; ++i) {
        CHECK(model.in_flight[i - 1].user_data == 1000 + i);
        CHECK(model.in_flight[i - 1].args[0] == 10 * i);
    }
    CHECK(ring.prepare_answers(answer) == 1);  // of the last nop
}

TEST_CASE("libcap ring: QueueFull when the kernel takes nothing") {
    RingModel model;
    TestRing ring(model.address());
    model.refuse = true;
    for (std::uint32_t i = 0; i < abi::kSqEntries; ++i) {
        REQUIRE(ring.prepare(nop(i, i)));
    }
    CHECK(ring.prepare(nop(64, 64)).error() == abi::Error::kQueueFull);
    model.refuse = false;
    CHECK(ring.prepare(nop(64, 64)));
}

TEST_CASE("libcap ring: indices wrap") {
    RingModel model;
    TestRing ring(model.address());
    for (std::uint64_t i = 0; i < 1000; ++i) {
        REQUIRE(ring.prepare(nop(i, i)));
        REQUIRE(ring.submit_and_wait(1) == 1);
        CHECK(ring.next()->user_data == i);
    }
}

TEST_CASE("libcap ring: call waits for its own completion and keeps the others") {
    RingModel model;
    TestRing ring(model.address());
    REQUIRE(ring.prepare(slow(1)));
    REQUIRE(ring.prepare(nop(2, 22)));
    CHECK(ring.call(slow(77)) == 100);  // the model completes the older one first
    CHECK(ring.submit_and_wait(2) == 2);
    CHECK(ring.next()->user_data == 2);
    CHECK(ring.next()->user_data == 1);
    CHECK(!ring.next());
}

TEST_CASE("libcap ring: call passes on the operation's error") {
    RingModel model;
    TestRing ring(model.address());
    CHECK(ring.call(nop(0, static_cast<std::uint64_t>(abi::Error::kNoRight))).error() ==
          abi::Error::kNoRight);
}

TEST_CASE("libcap ring: a call that times out is cancelled, and leaves nothing") {
    RingModel model;
    TestRing ring(model.address());
    model.time_out = true;
    CHECK(ring.call(slow(0), 1).error() == abi::Error::kTimedOut);
    CHECK(model.in_flight.empty());
    CHECK(!ring.next());
    CHECK(ring.call(nop(0, 7)) == 7);
    CHECK(!ring.next());
}

TEST_CASE("libcap ring: what completes at the moment of the time-out counts") {
    RingModel model;
    TestRing ring(model.address());
    model.time_out = true;
    model.cancel_outcome = RingModel::Cancel::kCompletes;
    CHECK(ring.call(slow(0), 1) == 9);
    CHECK(!ring.next());
}

TEST_CASE("libcap ring: the completion of a call past cancelling is dropped, by next and by another call") {
    for (const bool by_next : {true, false}) {
        RingModel model;
        TestRing ring(model.address());
        time_out_past_cancelling(model, ring);
        if (!by_next) {
            CHECK(ring.call(nop(0, 7)) == 7);
        }
        CHECK(ring.next()->user_data == 1);
        CHECK(ring.next()->user_data == 2);
        CHECK(!ring.next());
    }
}

TEST_CASE("libcap ring: the completion of a call past cancelling is not drained") {
    RingModel model;
    TestRing ring(model.address());
    time_out_past_cancelling(model, ring);
    std::vector<std::uint64_t> drained;
    CHECK(ring.drain([&](const abi::Completion& come) { drained.push_back(come.user_data); }) == 2);
    CHECK(drained == std::vector<std::uint64_t>{1, 2});
    REQUIRE(ring.prepare(nop(3, 0)));
    REQUIRE(ring.submit_and_wait(1));
    CHECK(ring.drain([&](const abi::Completion& come) { drained.push_back(come.user_data); }) == 1);
    CHECK(drained.back() == 3);
    CHECK(!ring.next());
}

TEST_CASE("libcap ring: the completion of a call past cancelling is not answered") {
    RingModel model;
    TestRing ring(model.address());
    time_out_past_cancelling(model, ring);
    CHECK(ring.prepare_answers([](const abi::Completion& come) { return nop(come.user_data, 0); }) == 2);
    REQUIRE(ring.submit_and_wait(2));
    CHECK(ring.next()->user_data == 1);
    CHECK(ring.next()->user_data == 2);
    CHECK(!ring.next());
}

TEST_CASE("libcap ring: a call that the kernel has not taken is taken back") {
    RingModel model;
    TestRing ring(model.address());
    REQUIRE(ring.prepare(nop(1, 11)));
    model.refuse = true;
    CHECK(ring.call(slow(0), 1).error() == abi::Error::kTimedOut);
    CHECK(ring.free_entries() == abi::kSqEntries - 1);
    model.refuse = false;
    CHECK(ring.submit_and_wait(1) == 1);
    CHECK(model.in_flight.empty());
    CHECK(ring.next()->user_data == 1);
    CHECK(!ring.next());
}

TEST_CASE("libcap ring: call refuses when too much is kept back, and loses nothing") {
    RingModel model;
    TestRing ring(model.address());
    std::uint64_t made = 0;
    Result<std::uint64_t> called = 0;
    while (called) {
        for (int i = 0; i < 50; ++i) {
            REQUIRE(ring.prepare(nop(made++, 0)));
        }
        called = ring.call(nop(0, 0));
    }
    CHECK(called.error() == abi::Error::kQueueFull);
    REQUIRE(ring.submit_and_wait(0));
    for (std::uint64_t i = 0; i < made; ++i) {
        REQUIRE(ring.next()->user_data == i);
    }
    CHECK(ring.call(nop(0, 3)) == 3);
}
