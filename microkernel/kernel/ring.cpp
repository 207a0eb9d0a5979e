// SPDX-License-Identifier: MIT
#include "kernel/ring.hpp"

#include <algorithm>
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

// What the user says it has taken may be a lie; then the queue counts as full, which harms only the liar.
std::uint32_t Ring::ready_locked() {
    const std::uint32_t n = cq_tail_ - header_->cq_head.load(std::memory_order_acquire);
    return std::min(n, abi::kCqEntries);
}

std::uint32_t Ring::ready() {
    SpinGuard guard(lock_);
    return ready_locked();
}

core::Result<std::optional<abi::Submission>> Ring::next_submission() {
    const std::uint32_t count = header_->sq_tail.load(std::memory_order_acquire) - sq_head_;
    if (count == 0) return std::nullopt;
    if (count > abi::kSqEntries) return core::fail(Error::kBadArgument);
    {
        SpinGuard guard(lock_);
        if (ready_locked() + reserved_ >= abi::kCqEntries) return core::fail(Error::kQueueFull);
        ++reserved_;
    }
    abi::Submission copy;
    std::memcpy(&copy, &submissions_[sq_head_ % abi::kSqEntries], sizeof copy);
    asm volatile("" ::: "memory");  // the copy is made here, once, before anything is checked
    ++sq_head_;
    return copy;
}

void Ring::publish_head() { header_->sq_head.store(sq_head_, std::memory_order_release); }

void Ring::finish_quietly() {
    SpinGuard guard(lock_);
    --reserved_;
}

bool Ring::post(const abi::Completion& completion, bool& dropped) {
    SpinGuard guard(lock_);
    dropped = !open_;
    if (dropped) return false;
    COX_ASSERT(reserved_ > 0);
    --reserved_;
    completions_[cq_tail_ % abi::kCqEntries] = completion;
    ++cq_tail_;
    header_->cq_tail.store(cq_tail_, std::memory_order_release);
    if (wanted_ == 0 || ready_locked() < wanted_) return false;
    stop_waiting();
    return true;
}

bool Ring::begin_wait(std::uint32_t wanted, std::uint64_t deadline) {
    SpinGuard guard(lock_);
    if (ready_locked() >= wanted) return false;
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
