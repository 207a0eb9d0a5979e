// SPDX-License-Identifier: MIT
#include "kernel/ring.hpp"

#include <cstring>

#include "arch/asm.hpp"
#include "arch/paging.hpp"

namespace cox {

using abi::Error;

void Ring::open(const std::array<Physical, abi::kRingPages>& pages) {
    header_ = arch::physical_to_virtual<abi::RingHeader>(pages[0]);
    submissions_ = arch::physical_to_virtual<abi::Submission>(pages[1]);
    completions_ = arch::physical_to_virtual<abi::Completion>(pages[2]);
    // Pages that were a ring before are an empty one now.
    header_->sq_tail = header_->sq_head = header_->sq_polled = header_->cq_tail = header_->cq_head = 0;
    SpinGuard guard(lock_);
    open_ = true;
}

Ring::~Ring() {
    if (!header_) return;
    for (const void* page : {static_cast<const void*>(header_), static_cast<const void*>(submissions_),
                             static_cast<const void*>(completions_)}) {
        release_frame(arch::virtual_to_physical(page));
    }
}

void Ring::close() {
    SpinGuard guard(lock_);
    open_ = false;
    stop_waiting();
}

void Ring::take_operation(abi::Submission& copy) {
    const auto head = sq_head_.load(std::memory_order_relaxed);
    std::memcpy(&copy, &submissions_[head % abi::kSqEntries], sizeof copy);
    asm volatile("" ::: "memory");  // here, once, before anything about it is checked
    sq_head_.store(head + 1, std::memory_order_relaxed);
    header_->sq_head.store(head + 1, std::memory_order_release);
    SpinGuard guard(lock_);
    ++reserved_;
}

std::uint32_t Ring::reserve(std::uint32_t limit) {
    const auto count = backlog();
    SpinGuard guard(lock_);
    const auto owed = ready_locked() + reserved_;
    if (count > abi::kSqEntries || owed >= abi::kCqEntries) return 0;
    const auto in_a_row = abi::kSqEntries - sq_head_.load(std::memory_order_relaxed) % abi::kSqEntries;
    const auto reserved = std::min({count, limit, abi::kCqEntries - owed, in_a_row});
    reserved_ += reserved;
    return reserved;
}

void Ring::take_reserved(std::uint32_t reserved, std::uint32_t taken) {
    const auto head = sq_head_.load(std::memory_order_relaxed) + taken;
    sq_head_.store(head, std::memory_order_relaxed);
    header_->sq_head.store(head, std::memory_order_release);
    if (reserved == taken) return;
    SpinGuard guard(lock_);
    reserved_ -= reserved - taken;
}

// Held back: nothing. Broken: the rest of the chain is cancelled, as far as `size` goes.
Ring::Taken Ring::take_linked(std::uint32_t size, std::uint32_t ready) {
    if (link_ == Link::kHeld || link_ == Link::kHolding) {
        link_ = Link::kHolding;
        return {Stop::kNoMore, 0, ready};
    }
    if (link_ == Link::kReleased) link_ = Link::kNone;
    if (link_ == Link::kReleasedBroken) link_ = Link::kBroken;
    const auto first = sq_head_.load(std::memory_order_relaxed);
    std::uint32_t done = 0;
    for (; done < size && link_ == Link::kBroken; ++done) {
        const volatile abi::Submission& entry = submissions_[(first + done) % abi::kSqEntries];
        completions_[cq_tail_++ % abi::kCqEntries] = {
            entry.user_data, static_cast<std::int64_t>(abi::Error::kCancelled), 0, 0};
        if (!(entry.flags & abi::kLink)) link_ = Link::kNone;
    }
    sq_head_.store(first + done, std::memory_order_relaxed);
    header_->sq_head.store(first + done, std::memory_order_release);
    header_->cq_tail.store(cq_tail_, std::memory_order_release);
    return {size == 0 ? Stop::kNoMore : Stop::kMore, done, ready + done};
}

bool Ring::released() {
    SpinGuard guard(lock_);
    if (!released_locked()) return false;
    abandoned_ = false;
    if (link_ == Link::kReleased) link_ = Link::kNone;
    if (link_ == Link::kReleasedBroken) link_ = Link::kBroken;
    return true;
}

void Ring::begin_poll(abi::ThreadRef poller) {
    SpinGuard guard(lock_);
    poller_.store(poller.raw(), std::memory_order_release);
}

Ring::PollEnd Ring::end_poll(abi::ThreadRef ended) {
    SpinGuard guard(lock_);
    if (poller() != ended) return {};
    header_->sq_polled.store(0, std::memory_order_relaxed);
    asleep_.store(false);
    abandoned_ = true;
    poller_.store(0, std::memory_order_release);
    const bool waits = wanted_ != 0 && wanted_ != kParked;
    if (waits) stop_waiting();
    return {waits, ending_left_};
}

bool Ring::leave_ending() {
    SpinGuard guard(lock_);
    return ending_left_ = static_cast<bool>(poller());
}

void Ring::poller_wakes() {
    asleep_.store(false);
    header_->sq_polled.store(1, std::memory_order_relaxed);
}

bool Ring::poller_sleeps() {
    header_->sq_polled.store(0, std::memory_order_relaxed);
    asleep_.store(true);
    // Pairs with the user's between sq_tail and sq_polled, and with take_sleeper(). What holds entries back ends under the lock.
    arch::full_fence();
    SpinGuard guard(lock_);
    const auto count = backlog();
    return count == 0 || count > abi::kSqEntries || link_ == Link::kHeld || link_ == Link::kHolding ||
           ready_locked() + reserved_ >= abi::kCqEntries;
}

bool Ring::answered() {
    SpinGuard guard(lock_);
    if (wanted_ == 0 || ready_locked() < wanted_) return false;
    stop_waiting();
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

Ring::Posting::End Ring::Posting::end_at(Ring& ring, std::uint32_t position) {
    const std::uint32_t posted = position - ring.cq_tail_ % abi::kCqEntries;
    COX_ASSERT(ring.reserved_ >= posted);
    ring.reserved_ -= posted;
    ring.cq_tail_ += posted;
    ring.header_->cq_tail.store(ring.cq_tail_, std::memory_order_release);
    const bool met = ring.wanted_ != 0 && ring.ready_locked() >= ring.wanted_;
    if (met) ring.stop_waiting();
    ring.lock_.unlock();
    return {posted, met};
}

bool Ring::begin_wait(std::uint32_t wanted, std::uint64_t deadline) {
    SpinGuard guard(lock_);
    if (ready_locked() >= wanted || released_locked()) return false;
    wanted_ = wanted;
    deadline_ = deadline;
    return true;
}

std::uint64_t Ring::deadline() {
    SpinGuard guard(lock_);
    return deadline_;
}

}  // namespace cox
