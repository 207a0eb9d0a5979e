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
    pages_ = std::move(pages);
    SpinGuard guard(lock_);
    open_ = true;
}

void Ring::close() {
    SpinGuard guard(lock_);
    open_ = false;
    stop_waiting();
}

abi::Submission Ring::copy(std::uint32_t index) const {
    abi::Submission copy;
    std::memcpy(&copy, &submissions_[(sq_head_ + index) % abi::kSqEntries], sizeof copy);
    asm volatile("" ::: "memory");  // the copy is made here, once, before anything is checked
    return copy;
}

void Ring::end_batch(std::uint32_t done, std::uint32_t size) {
    sq_head_ += done;
    SpinGuard guard(lock_);
    reserved_ -= size;
    header_->cq_tail.store(cq_tail_, std::memory_order_release);
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
    if (linked) link_ = completion.result < 0 ? Link::kBroken : Link::kNone;
    const bool release = linked && holding_.load(std::memory_order_relaxed);
    if (wanted_ == 0 || (ready_locked() < wanted_ && !release)) return false;
    stop_waiting();
    return true;
}

bool Ring::begin_wait(std::uint32_t wanted, std::uint64_t deadline) {
    SpinGuard guard(lock_);
    if (ready_locked() >= wanted) return false;
    if (holding_.load(std::memory_order_relaxed) && link_ != Link::kHeld) return false;
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
