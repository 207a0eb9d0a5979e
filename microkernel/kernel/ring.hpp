// SPDX-License-Identifier: MIT
// The kernel's side of a thread's ring (layout: abi/ring.hpp).
//
// The submission queue is read by its thread's CPU alone: a batch is opened, which reserves a completion for each of its
// entries; each is completed, kept in flight, or goes without; and closing the batch shows the user what has become of it.
// The completion queue is filled from any CPU under `lock_`. Every operation in flight keeps its reservation, so posting
// cannot fail.
// Links: an entry with kLink holds back what comes next until it has completed, wherever that happens: `link_`. Entries
// that wait for it stay in the submission queue; `holding_` says that there are some, so that its completion wakes.
// Waiting: `wanted_` is how many completions the thread waits for, 0 when it does not, `deadline_` until when; whoever sets
// them back, a completion or the time-out, is the one that wakes the thread.
#pragma once
#include <algorithm>
#include <cstddef>

#include "abi/ring.hpp"
#include "core/result.hpp"
#include "kernel/memory_object.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

class Ring {
public:
    static constexpr std::uint64_t kNoDeadline = ~std::uint64_t{0};

    void open(RefPtr<MemoryObject> pages);
    void close();  // the thread has gone: later completions are dropped

    // Thread's CPU. `size` entries, `limit` at most, can be done. kBadArgument: the queue claims more than fits; kQueueFull: there are more, but
    // no completion entry is free for their results.
    struct Batch {
        std::uint32_t size = 0;
        abi::Error outcome = abi::Error::kOk;
        bool broken = false;  // begins with the rest of a chain that is cancelled
    };
    Batch begin_batch(std::uint32_t limit) {
        const std::uint32_t count = header_->sq_tail.load(std::memory_order_acquire) - sq_head_;
        if (count == 0) return {};
        if (count > abi::kSqEntries) return {0, abi::Error::kBadArgument};
        SpinGuard guard(lock_);
        holding_.store(link_ == Link::kHeld, std::memory_order_relaxed);
        if (link_ == Link::kHeld) return {};
        const std::uint32_t taken = ready_locked() + reserved_;
        const std::uint32_t room = taken < abi::kCqEntries ? abi::kCqEntries - taken : 0;
        const std::uint32_t size = std::min({count, room, limit});
        reserved_ += size;
        return {size, room < std::min(count, limit) ? abi::Error::kQueueFull : abi::Error::kOk,
                link_ == Link::kBroken};
    }
    // The user may change it meanwhile: read each field once, or copy it.
    const volatile abi::Submission& submission(std::uint32_t index) const {
        return submissions_[(sq_head_ + index) % abi::kSqEntries];
    }
    // Operation, flags and reserved field in one.
    static std::uint64_t head_word(const volatile abi::Submission& entry) {
        static_assert(offsetof(abi::Submission, slot) == 8);
        return *reinterpret_cast<const volatile std::uint64_t*>(&entry);
    }
    abi::Submission copy(std::uint32_t index) const;
    void complete_now(std::uint64_t user_data, std::int64_t result, std::uint64_t second) {
        SpinGuard guard(lock_);
        completions_[cq_tail_++ % abi::kCqEntries] = {user_data, result, second, 0};
    }
    void keep_in_flight() {
        SpinGuard guard(lock_);
        ++reserved_;  // the batch gives its own back
    }
    void end_batch(std::uint32_t done, std::uint32_t size);
    enum class Link : std::uint8_t { kNone, kHeld, kBroken };
    Link link() {
        SpinGuard guard(lock_);
        return link_;
    }
    void set_link(Link link) {
        SpinGuard guard(lock_);
        link_ = link;
    }
    bool holding() const { return holding_.load(std::memory_order_relaxed); }
    // Thread's CPU. True, once: what an entry had held back can be done now.
    [[nodiscard]] bool released() {
        if (!holding()) return false;
        SpinGuard guard(lock_);
        if (link_ == Link::kHeld) return false;
        holding_.store(false, std::memory_order_relaxed);
        return true;
    }
    // After each call, whatever the user has made of its copy meanwhile.
    void publish_head() { header_->sq_head.store(sq_head_, std::memory_order_release); }

    // Any CPU. Posts into a reserved entry. True: the thread waits and now has what it waits for: wake it.
    [[nodiscard]] bool post(const abi::Completion& completion, bool linked, bool& dropped);

    std::uint32_t ready() {  // completions that the user has not taken
        SpinGuard guard(lock_);
        return ready_locked();
    }
    // Thread's CPU. False: `wanted` are there already, or something was released. `deadline`: TSC, or kNever.
    [[nodiscard]] bool begin_wait(std::uint32_t wanted, std::uint64_t deadline);
    // Any CPU. True: it waited, and its deadline has passed: the caller must wake it.
    [[nodiscard]] bool expire(std::uint64_t now);
    // Of the present wait; kNever without one.
    std::uint64_t deadline();

private:
    // What the user says it has taken may be a lie; then the queue counts as full, which harms only the liar.
    std::uint32_t ready_locked() const COX_REQUIRES(lock_) {
        return std::min(cq_tail_ - header_->cq_head.load(std::memory_order_acquire), abi::kCqEntries);
    }
    void stop_waiting() COX_REQUIRES(lock_);

    RefPtr<MemoryObject> pages_;
    abi::RingHeader* header_ = nullptr;
    abi::Submission* submissions_ = nullptr;
    abi::Completion* completions_ = nullptr;
    std::uint32_t sq_head_ = 0;

    SpinLock lock_{LockRank::kRing};
    std::uint32_t cq_tail_ COX_GUARDED_BY(lock_) = 0;
    std::uint32_t reserved_ COX_GUARDED_BY(lock_) = 0;
    std::uint32_t wanted_ COX_GUARDED_BY(lock_) = 0;
    std::uint64_t deadline_ COX_GUARDED_BY(lock_) = kNoDeadline;
    bool open_ COX_GUARDED_BY(lock_) = false;
    Link link_ COX_GUARDED_BY(lock_) = Link::kNone;
    std::atomic<bool> holding_{false};  // written under the lock, on the thread's CPU
};

}  // namespace cox
