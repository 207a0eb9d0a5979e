// SPDX-License-Identifier: MIT
#include "kernel/ring.hpp"

#include <cstring>

#include "arch/paging.hpp"

namespace cox {

using abi::Error;

void Ring::open(RefPtr<MemoryObject> pages) {
    header_ = arch::physical_to_virtual<abi::RingHeader>(pages->frame(0));
    submissions_ = arch::physical_to_virtual<abi::Submission>(pages->frame(1));
    completions_ = arch::physical_to_virtual<abi::Completion>(pages->frame(2));
    // Pages that were a ring before are an empty one now.
    header_->sq_tail = header_->sq_head = header_->cq_tail = header_->cq_head = 0;
    pages_ = std::move(pages);
    SpinGuard guard(lock_);
    open_ = true;
}

void Ring::close() {
    SpinGuard guard(lock_);
    open_ = false;
    stop_waiting();
}

void Ring::take_operation(abi::Submission& copy) {
    std::memcpy(&copy, &submissions_[sq_head_ % abi::kSqEntries], sizeof copy);
    asm volatile("" ::: "memory");  // here, once, before anything about it is checked
    header_->sq_head.store(++sq_head_, std::memory_order_release);
    SpinGuard guard(lock_);
    ++reserved_;
}

// Held back: nothing. Broken: the rest of the chain is cancelled, as far as `size` goes.
Ring::Taken Ring::take_linked(std::uint32_t size, std::uint32_t ready) {
    if (link_ == Link::kHeld || link_ == Link::kHolding) {
        link_ = Link::kHolding;
        return {Stop::kNoMore, 0, ready};
    }
    if (link_ == Link::kReleased) link_ = Link::kNone;
    if (link_ == Link::kReleasedBroken) link_ = Link::kBroken;
    std::uint32_t done = 0;
    for (; done < size && link_ == Link::kBroken; ++done) {
        const volatile abi::Submission& entry = submissions_[sq_head_++ % abi::kSqEntries];
        completions_[cq_tail_++ % abi::kCqEntries] = {
            entry.user_data, static_cast<std::int64_t>(abi::Error::kCancelled), 0, 0};
        if (!(entry.flags & abi::kLink)) link_ = Link::kNone;
    }
    header_->sq_head.store(sq_head_, std::memory_order_release);
    header_->cq_tail.store(cq_tail_, std::memory_order_release);
    return {size == 0 ? Stop::kNoMore : Stop::kMore, done, ready + done};
}

bool Ring::released() {
    SpinGuard guard(lock_);
    if (!released_locked()) return false;
    link_ = link_ == Link::kReleased ? Link::kNone : Link::kBroken;
    return true;
}

bool Ring::post(const abi::Completion& completion, bool linked, bool& dropped) {
    SpinGuard guard(lock_);
    dropped = !open_;
    if (dropped) return false;
    COX_ASSERT(reserved_ > 0);
    --reserved_;
    completions_[cq_tail_ % abi::kCqEntries] = completion;
    ++cq_tail_;
    header_->cq_tail.store(cq_tail_, std::memory_order_release);
    if (linked) {
        const bool holding = link_ == Link::kHolding, failed = completion.result < 0;
        link_ = holding ? (failed ? Link::kReleasedBroken : Link::kReleased)
                        : (failed ? Link::kBroken : Link::kNone);
    }
    if (wanted_ == 0 || (ready_locked() < wanted_ && !(linked && released_locked() && wanted_ != kParked)))
        return false;
    stop_waiting();
    return true;
}

bool Ring::begin_wait(std::uint32_t wanted, std::uint64_t deadline) {
    SpinGuard guard(lock_);
    if (ready_locked() >= wanted || released_locked()) return false;
    wanted_ = wanted;
    deadline_ = deadline;
    return true;
}

bool Ring::expire(std::uint64_t now) {
    SpinGuard guard(lock_);
    if (wanted_ == 0 || deadline_ > now) return false;
    stop_waiting();
    return true;
}

std::uint64_t Ring::deadline() {
    SpinGuard guard(lock_);
    return deadline_;
}

void Ring::stop_waiting() {
    wanted_ = 0;
    deadline_ = kNoDeadline;
}

}  // namespace cox
