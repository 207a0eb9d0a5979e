// SPDX-License-Identifier: MIT
//
// The calling thread's ring: submissions in, completions out. A Ring belongs to one thread; nobody else may
// touch it.
//
// prepare() puts an entry in the queue and calls the kernel only when the queue is full; submit_and_wait()
// hands over all that was prepared. call() is for code that wants one answer and nothing else: it keeps
// completions of other operations that arrive meanwhile, and next() delivers those first. user_data from
// kCallTag up is call()'s own.
//
// Bounds: the kernel takes an operation only while it has room to complete it, so at most kCqEntries
// completions are owed at any time. call() refuses (kQueueFull) while more than kCqEntries are kept back;
// fetch them with next().
//
// With a poller (Thread::poll), what was prepared is taken without a call: submit_and_wait() makes one only when the poller
// sleeps or completions must be waited for. The queue may be full then because the poller has not come to it yet: prepare()
// says kQueueFull, and the caller may do something else, yield, or try again.
//
// The kernel is reached through Door, so that the same code runs against a model of it in unit tests.
#pragma once

#include "abi/ring.hpp"
#include "cap/result.hpp"
#include "cap/syscall.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace cap {

inline constexpr std::uint64_t kCallTag = std::uint64_t{1} << 63;

constexpr abi::Submission submission(abi::Op op, abi::CapSlot slot, std::uint64_t user_data = 0,
                                     std::uint64_t a0 = 0, std::uint64_t a1 = 0, std::uint64_t a2 = 0,
                                     std::uint64_t a3 = 0) {
    return {op, 0, 0, slot.raw(), user_data, {a0, a1, a2, a3, 0}};
}

template <class Door>
class BasicRing {
public:
    // `address`: where the kernel mapped the thread's kRingPages ring pages.
    explicit BasicRing(std::uint64_t address)
        : header_(reinterpret_cast<abi::RingHeader*>(address)),
          submissions_(reinterpret_cast<abi::Submission*>(address + abi::kPageSize)),
          completions_(reinterpret_cast<const abi::Completion*>(address + 2 * abi::kPageSize)),
          sq_tail_(header_->sq_tail.load(std::memory_order_relaxed)),
          cq_head_(header_->cq_head.load(std::memory_order_relaxed)) {}
    BasicRing(const BasicRing&) = delete;
    BasicRing& operator=(const BasicRing&) = delete;

    // Queues one entry. kQueueFull: the kernel took none, because completions must be fetched first.
    [[nodiscard]] Result<void> prepare(const abi::Submission& entry);

    // The same for `count` of them, each made by make(index), where its place is: cheaper than one by one. A poller may see them late.
    template <class Make>
    [[nodiscard]] Result<void> prepare_row(std::uint32_t count, Make make);

    // Submits everything prepared and waits until `min_complete` completions can be fetched.
    // -> how many can; kTimedOut if the time passed first.
    [[nodiscard]] Result<std::uint64_t> submit_and_wait(std::uint64_t min_complete,
                                                        std::uint64_t timeout_ns = abi::kForever);

    // The oldest completion not fetched yet.
    [[nodiscard]] std::optional<abi::Completion> next();

    // Fetches all that are there, oldest first: use(const abi::Completion&), which must not touch the ring. -> how many.
    template <class Use>
    std::uint32_t drain(Use use);

    // The same as far as the submission queue has room, and queues make(const abi::Completion&) for each: a server's answers. A poller may see
    // them late.
    template <class Make>
    std::uint32_t prepare_answers(Make make);

    // Submits `entry` (its user_data is replaced) and waits for its completion, whatever else completes.
    // The completion's own error is returned like any other. The time-out begins anew whenever something else
    // completes. After kTimedOut the operation is cancelled; if it has not been taken yet, as while a chain is held, it is
    // taken back. Should it be past cancelling, its completion is dropped when it comes: none of the above delivers it.
    [[nodiscard]] Result<std::uint64_t> call(abi::Submission entry, std::uint64_t timeout_ns = abi::kForever);

    // From now on there is, or may be, a poller.
    void expect_poller() { polled_ = true; }
    // Whether a poller sees by itself what was prepared, and finds the room that was made.
    [[nodiscard]] bool poller_is_awake() {
        std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the kernel's: abi/ring.hpp
        return header_->sq_polled.load(std::memory_order_relaxed) != 0;
    }

    [[nodiscard]] std::uint32_t free_entries() {
        // Pairs with the kernel's release of sq_head: the entry may be overwritten only after it was copied.
        sq_head_seen_ = header_->sq_head.load(std::memory_order_acquire);
        return abi::kSqEntries - (sq_tail_ - sq_head_seen_);
    }

    // Where the words of messages are (cap/endpoint.hpp).
    [[nodiscard]] std::uint64_t* message(std::uint32_t place) const {
        return reinterpret_cast<abi::RingMessage*>(header_ + 1)[place].words;
    }

private:
    static constexpr std::uint32_t kKept = 2 * abi::kCqEntries;

    Result<void> make_room();
    std::optional<abi::Completion> next_in_queue();
    // Keeps the completions of others. Nothing: the one with this user_data has not come.
    [[gnu::always_inline]] std::optional<std::int64_t> result_in_queue(std::uint64_t user_data);
    [[gnu::noinline]] void drop_late();

    // The call of `entry` ends with `error`, unless it has completed just now.
    [[gnu::noinline]] Result<std::uint64_t> give_up(const abi::Submission& entry, abi::Error error);

    abi::RingHeader* header_;
    abi::Submission* submissions_;
    const abi::Completion* completions_;
    std::uint32_t sq_tail_;
    std::uint32_t sq_head_seen_ = sq_tail_ - abi::kSqEntries;  // look at the first entry
    std::uint32_t cq_head_;
    std::uint64_t calls_ = 0;
    bool polled_ = false;
    std::uint32_t late_ = 0;  // completions of calls that were past cancelling
    std::uint32_t kept_head_ = 0;
    std::uint32_t kept_tail_ = 0;
    std::array<abi::Completion, kKept> kept_;
};

struct KernelDoor {
    static EnterResult enter(std::uint64_t min_complete, std::uint64_t timeout_ns) {
        return cap_enter(min_complete, timeout_ns);
    }
    static void cancel(std::uint64_t slot, std::uint64_t user_data) {
        (void)cap_call(abi::CapSlot::from_raw(slot), abi::Op::kCancel, user_data);
    }
};

class Ring : public BasicRing<KernelDoor> {
public:
    using BasicRing::BasicRing;
};

}  // namespace cap

#include "cap/ring_inline.hpp"
