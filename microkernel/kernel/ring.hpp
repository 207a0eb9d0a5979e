// SPDX-License-Identifier: MIT
// The kernel's side of a thread's ring (layout: abi/ring.hpp).
//
// The submission queue is read by its thread's CPU alone; while the ring has a poller, by the poller's alone: `poller_`. The completion queue is filled from any CPU under `lock_`. Every
// operation that was taken and is not completed has a completion reserved, so posting cannot fail.
// Links: an entry with kLink holds back what comes next until it has completed, wherever that happens: `link_`. What waits
// for it stays in the submission queue.
// Waiting: `wanted_` is how many completions the thread waits for, 0 when it does not, `deadline_` until when; whoever sets
// them back, a completion or the time-out, is the one that wakes the thread.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <optional>

#include "abi/ring.hpp"
#include "abi/types.hpp"
#include "core/assert.hpp"
#include "core/result.hpp"
#include "kernel/frames.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

class Ring {
public:
    static constexpr std::uint64_t kNoDeadline = ~std::uint64_t{0};

    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring();

    void open(const std::array<Physical, abi::kRingPages>& pages);  // takes over a hold on each
    void close();  // the thread has gone: later completions are dropped

    // Thread's CPU. Takes entries, `limit` at most, as long as answer(entry, result) knows their result at once; then says
    // why it stopped.
    enum class Stop : std::uint8_t {
        kNoMore,
        kOperation,  // the next one is for take_operation()
        kMore,       // some were cancelled: take again
        kFull,       // there are more, but no completion entry is free for their results
        kWrong,      // the queue claims more than fits
    };
    struct Taken {
        Stop stop;
        std::uint32_t count;
        std::uint32_t ready;  // completions that the user has not taken
    };
    template <class Answer>
    [[gnu::always_inline]] Taken take(std::uint32_t limit, Answer answer);

    // What the last entry that was taken means for the next.
    enum class Link : std::uint8_t {
        kNone,
        kBroken,         // cancelled, up to and with the first entry without kLink
        kHeld,           // it is in flight
        kHolding,        // it is in flight, and entries wait for it
        kReleased,       // it was kHolding, and has succeeded
        kReleasedBroken  // it was kHolding, and has failed
    };
    void set_link(Link link) {
        SpinGuard guard(lock_);
        link_ = link;
    }
    // Thread's CPU. True, once: what an entry had held back can be taken now.
    [[nodiscard]] bool released();
    // After kOperation: takes entries as long as done(entry) says that they are done, with success and quietly, so that no completion
    // is needed; `limit` at most -> how many. done() reads each field once: the user may change it meanwhile.
    template <class Done>
    [[gnu::always_inline]] std::uint32_t pass_while(std::uint32_t limit, Done done) {
        const abi::Submission* const submissions = submissions_;
        const std::uint32_t first = sq_head_.load(std::memory_order_relaxed);
        const std::uint32_t count = std::min(limit, header_->sq_tail.load(std::memory_order_acquire) - first);
        const std::uint32_t end = first + count;
        std::uint32_t at = first;
        while (at != end && done(submissions[at % abi::kSqEntries])) ++at;
        sq_head_.store(at, std::memory_order_relaxed);
        header_->sq_head.store(at, std::memory_order_release);
        return at - first;
    }
    // Of several at once (message_batch.hpp), after kOperation: completions are reserved for the next ones, `limit` at most -> how many. They
    // lie in a row from upcoming() on, until some were taken; for the others nothing is reserved any more.
    std::uint32_t reserve(std::uint32_t limit);
    const volatile abi::Submission& upcoming() const {
        return submissions_[sq_head_.load(std::memory_order_relaxed) % abi::kSqEntries];
    }
    void take_reserved(std::uint32_t reserved, std::uint32_t taken);
    // A copy of the next entry, after kOperation. A completion is reserved for it: it is completed now, later, or not at all.
    void take_operation(abi::Submission& copy);
    void complete(std::uint64_t user_data, std::int64_t result, std::uint64_t second) {
        SpinGuard guard(lock_);
        --reserved_;
        completions_[cq_tail_++ % abi::kCqEntries] = {user_data, result, second, 0};
    }
    void forgo() {
        SpinGuard guard(lock_);
        --reserved_;
    }

    // Polling (poller.hpp). Its poller; none: the thread itself takes what it submits. Any CPU.
    // acquire: pairs with end_poll, so that the thread goes on where the poller stopped
    abi::ThreadRef poller() const {
        return abi::ThreadRef::from_raw(poller_.load(std::memory_order_acquire));
    }
    void begin_poll(abi::ThreadRef poller);  // thread's CPU
    // The poller has gone; nothing, if it is not this one. `waits`: the thread waited, and is to look at the queue itself: wake
    // it. `last`: leave_ending() has said true.
    struct PollEnd {
        bool waits, last;
    };
    PollEnd end_poll(abi::ThreadRef poller);
    // The thread has gone. True: its poller has not.
    [[nodiscard]] bool leave_ending();
    // Entries that were not taken. Any CPU.
    std::uint32_t backlog() const {
        const auto head = sq_head_.load(std::memory_order_relaxed);  // first: it cannot overtake the tail
        return header_->sq_tail.load(std::memory_order_acquire) - head;
    }
    // Poller's CPU. It begins to look at the tail by itself; it ceases to. False: there is something to take.
    void poller_wakes();
    [[nodiscard]] bool poller_sleeps();
    // Any CPU. True, once: the poller sleeps, or is about to: wake it.
    [[nodiscard]] bool take_sleeper() { return asleep_.exchange(false); }  // pairs with poller_sleeps()
    // Poller's CPU, after having taken. True: the thread waits and now has what it waits for: wake it.
    [[nodiscard]] bool answered();

    // Words of a message, in memory that the user may change meanwhile.
    std::uint64_t* message(std::uint32_t place) const {
        return reinterpret_cast<abi::RingMessage*>(header_ + 1)[place].words;
    }

    // Any CPU. Posts into a reserved entry. True: the thread waits and now has what it waits for: wake it.
    [[nodiscard]] bool post(const abi::Completion& completion, bool linked, bool& dropped);

    // The same for several that are not linked, in one hold of the lock, from begin() to end(). They lie in a row, so
    // that there is room() up to the queue's wrap.
    class Posting {
    public:
        // False: the thread has gone, and the lock is not held.
        [[nodiscard]] bool begin(Ring& ring) COX_UNCHECKED {
            ring.lock_.lock();
            ring_ = &ring;
            next_ = &ring.completions_[ring.cq_tail_ % abi::kCqEntries];
            end_ = ring.completions_ + abi::kCqEntries;
            if (ring.open_) [[likely]]
                return true;
            ring.lock_.unlock();
            return false;
        }
        void post(std::uint64_t user_data, std::uint64_t result, std::uint64_t second) {
            *next_++ = {user_data, static_cast<std::int64_t>(result), second, 0};
        }
        // For how many there is room.
        std::uint32_t room() const { return static_cast<std::uint32_t>(end_ - next_); }
        struct End {
            std::uint32_t posted;
            bool wakes;  // the thread waits and now has what it waits for: wake it
        };
        [[nodiscard]] End end() const {
            return end_at(
                *ring_,
                static_cast<std::uint32_t>(next_ - ring_->completions_));  // this stays in registers
        }

    private:
        static End end_at(Ring& ring, std::uint32_t position) COX_UNCHECKED;

        Ring* ring_ = nullptr;
        abi::Completion* next_ = nullptr;
        abi::Completion* end_ = nullptr;
    };

    std::uint32_t ready() {  // completions that the user has not taken
        SpinGuard guard(lock_);
        return ready_locked();
    }
    // The same; none: entries were released.
    [[gnu::always_inline]] std::optional<std::uint32_t> ready_unless_released() {
        SpinGuard guard(lock_);
        return released_locked() ? std::nullopt : std::optional(ready_locked());
    }
    // Thread's CPU. False: `wanted` are there already, or entries were released. `deadline`: TSC, or kNever.
    [[nodiscard]] bool begin_wait(std::uint32_t wanted, std::uint64_t deadline);
    // Thread's CPU. Waits for what no completion can bring.
    void begin_park(std::uint64_t deadline) {
        SpinGuard guard(lock_);
        wanted_ = kParked;
        deadline_ = deadline;
    }
    // The same for one completion, or for events of the scheduling domain (sched_domain.hpp), of which the ring knows nothing:
    // whoever brings them ends the wait. False: there is a completion, or entries were released.
    [[nodiscard]] bool begin_event_wait(std::uint64_t deadline) {
        SpinGuard guard(lock_);
        if (ready_locked() != 0 || released_locked()) return false;
        wanted_ = 1;
        deadline_ = deadline;
        return for_events_ = true;
    }
    // Any CPU. True: it waited for events, and does no more: the caller must wake it.
    [[nodiscard]] bool end_event_wait() {
        SpinGuard guard(lock_);
        if (!for_events_) return false;
        stop_waiting();
        return true;
    }
    // Any CPU. True: it waited, and does no more: the caller must wake it.
    [[nodiscard]] bool end_wait() {
        SpinGuard guard(lock_);
        if (wanted_ == 0) return false;
        stop_waiting();
        return true;
    }
    // The same, of the wait by begin_park() with this deadline: not of a later one.
    [[nodiscard]] bool end_park(std::uint64_t deadline) {
        SpinGuard guard(lock_);
        if (wanted_ != kParked || deadline_ != deadline) return false;
        stop_waiting();
        return true;
    }
    // Any CPU. True: it waited, and its deadline has passed: the caller must wake it.
    [[nodiscard]] bool expire(std::uint64_t now) {
        SpinGuard guard(lock_);
        if (wanted_ == 0 || deadline_ > now) return false;
        stop_waiting();
        return true;
    }
    // Of the present wait; kNever without one.
    std::uint64_t deadline();

private:
    // What the user says it has taken may be a lie; then the queue counts as full, which harms only the liar.
    std::uint32_t ready_locked() const COX_REQUIRES(lock_) { return ready_locked(*header_, cq_tail_); }
    static std::uint32_t ready_locked(const abi::RingHeader& header, std::uint32_t tail) {
        return std::min(tail - header.cq_head.load(std::memory_order_acquire), abi::kCqEntries);
    }
    static constexpr std::uint32_t kParked = ~0u;
    void stop_waiting() COX_REQUIRES(lock_) {
        wanted_ = 0;
        deadline_ = kNoDeadline;
        for_events_ = false;
    }
    bool released_locked() const COX_REQUIRES(lock_) {
        return (abandoned_ || link_ == Link::kReleased || link_ == Link::kReleasedBroken) && !poller();
    }
    // take(), where a link has a say.
    Taken take_linked(std::uint32_t size, std::uint32_t ready) COX_REQUIRES(lock_);

    abi::RingHeader* header_ = nullptr;
    abi::Submission* submissions_ = nullptr;
    abi::Completion* completions_ = nullptr;
    std::atomic<std::uint32_t> sq_head_{0};  // written by who takes
    std::atomic<std::uint64_t> poller_{0};   // written under the lock
    std::atomic<bool> asleep_{false};        // whoever sets it back wakes the poller

    SpinLock lock_{LockRank::kRing};
    std::uint32_t cq_tail_ COX_GUARDED_BY(lock_) = 0;
    std::uint32_t reserved_ COX_GUARDED_BY(lock_) = 0;
    std::uint32_t wanted_ COX_GUARDED_BY(lock_) = 0;
    std::uint64_t deadline_ COX_GUARDED_BY(lock_) = kNoDeadline;
    bool for_events_ COX_GUARDED_BY(lock_) = false;
    bool open_ COX_GUARDED_BY(lock_) = false;
    Link link_ COX_GUARDED_BY(lock_) = Link::kNone;
    bool abandoned_ COX_GUARDED_BY(lock_) =
        false;  // a poller has gone, and the thread has not looked at the queue since
    bool ending_left_ COX_GUARDED_BY(lock_) = false;
};

// Entries are in memory that the user may change meanwhile: answer() reads each field once, and operations are copied
// before anything about them is checked.
template <class Answer>
inline Ring::Taken Ring::take(std::uint32_t limit, Answer answer) {
    abi::RingHeader& header = *header_;
    const abi::Submission* const submissions = submissions_;
    abi::Completion* const completions = completions_;
    const std::uint32_t first = sq_head_.load(std::memory_order_relaxed);
    const std::uint32_t count = header.sq_tail.load(std::memory_order_acquire) - first;
    SpinGuard guard(lock_);
    const std::uint32_t tail = cq_tail_;
    const std::uint32_t ready = ready_locked(header, tail);
    const std::uint32_t owed = ready + reserved_;
    std::uint32_t size = std::min(count, limit);
    Stop stop = Stop::kNoMore;
    if (count > abi::kSqEntries) [[unlikely]] {
        size = 0;
        stop = Stop::kWrong;
    } else if (owed + size > abi::kCqEntries) [[unlikely]] {
        size = owed < abi::kCqEntries ? abi::kCqEntries - owed : 0;
        stop = Stop::kFull;
    }
    if (link_ != Link::kNone && count != 0 && stop != Stop::kWrong) [[unlikely]] {
        const auto taken = take_linked(size, ready);
        return {taken.count == size && stop == Stop::kFull ? stop : taken.stop, taken.count, taken.ready};
    }
    if (size != 0 && !answer.begin(submissions[first % abi::kSqEntries])) {
        size = 0;
        stop = Stop::kOperation;
    }
    std::uint32_t done = 0;
    for (; done < size; ++done) {
        const volatile abi::Submission& entry = submissions[(first + done) % abi::kSqEntries];
        std::int64_t result;
        if (!answer(entry, result)) {
            stop = Stop::kOperation;
            break;
        }
        completions[(tail + done) % abi::kCqEntries] = {entry.user_data, result, 0, 0};
    }
    sq_head_.store(first + done, std::memory_order_relaxed);
    header.sq_head.store(first + done, std::memory_order_release);
    cq_tail_ = tail + done;
    header.cq_tail.store(tail + done, std::memory_order_release);
    return {stop, done, ready + done};
}

}  // namespace cox
