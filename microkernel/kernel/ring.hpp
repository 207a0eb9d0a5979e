// SPDX-License-Identifier: MIT
// The kernel's side of a thread's ring (layout: abi/ring.hpp).
//
// The submission queue is read by its thread's CPU alone. The completion queue is filled from any CPU under `lock_`. Every
// operation in flight has its completion entry reserved (`in_flight_`), so posting cannot fail.
// Waiting: `wanted_` is how many completions the thread waits for, 0 when it does not, `deadline_` until when; whoever sets
// them back, a completion or the time-out, is the one that wakes the thread.
#pragma once
#include <optional>

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

    // Thread's CPU. The next submission, copied; nothing when there is none. kBadArgument: the queue claims more than fits;
    // kQueueFull: no completion entry is free for its result.
    core::Result<std::optional<abi::Submission>> next_submission();
    void publish_head();  // after a batch

    // Thread's CPU: the submission just taken gets no completion.
    void finish_quietly();

    // Any CPU. Posts into a reserved entry. True: the thread waits and now has what it waits for: wake it.
    [[nodiscard]] bool post(const abi::Completion& completion, bool& dropped);

    std::uint32_t ready();  // completions that the user has not taken
    // Thread's CPU. False: `wanted` are there already. `deadline`: TSC, or kNever.
    [[nodiscard]] bool begin_wait(std::uint32_t wanted, std::uint64_t deadline);
    // Any CPU. True: it waited, and its deadline has passed: the caller must wake it.
    [[nodiscard]] bool expire(std::uint64_t now);
    // Of the present wait; kNever without one.
    std::uint64_t deadline();

private:
    std::uint32_t ready_locked() COX_REQUIRES(lock_);
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
};

}  // namespace cox
