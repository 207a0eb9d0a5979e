// SPDX-License-Identifier: MIT
//
// The bodies of BasicRing; included by cap/ring.hpp alone.
#pragma once

#include "cap/ring.hpp"

namespace cap {

template <class Door>
Result<void> BasicRing<Door>::prepare(const abi::Submission& entry) {
    if (sq_tail_ - sq_head_seen_ == abi::kSqEntries) [[unlikely]] {
        TRY(make_room());
    }
    submissions_[sq_tail_ % abi::kSqEntries] = entry;
    ++sq_tail_;
    // Pairs with the kernel's acquire of sq_tail: it sees the entry.
    header_->sq_tail.store(sq_tail_, std::memory_order_release);
    return {};
}

template <class Door>
template <class Make>
Result<void> BasicRing<Door>::prepare_row(std::uint32_t count, Make make) {
    for (std::uint32_t made = 0; made < count;) {
        if (sq_tail_ - sq_head_seen_ == abi::kSqEntries) [[unlikely]] {
            TRY(make_room());
        }
        const std::uint32_t end = std::min(count, made + abi::kSqEntries - (sq_tail_ - sq_head_seen_));
        abi::Submission* const entries = submissions_;
        std::uint32_t tail = sq_tail_;
        for (; made < end; ++made) {
            entries[tail++ % abi::kSqEntries] = make(made);
        }
        sq_tail_ = tail;
        // Pairs with the kernel's acquire of sq_tail: it sees the entries.
        header_->sq_tail.store(tail, std::memory_order_release);
    }
    return {};
}

template <class Door>
Result<void> BasicRing<Door>::make_room() {
    if (free_entries() == 0) {
        if (!polled_ || !poller_is_awake()) {
            const EnterResult entered = Door::enter(0, 0);
            if (entered.ready < 0) {
                return fail(static_cast<abi::Error>(entered.ready));
            }
        }
        if (free_entries() == 0) {
            return fail(abi::Error::kQueueFull);
        }
    }
    return {};
}

template <class Door>
Result<std::uint64_t> BasicRing<Door>::submit_and_wait(std::uint64_t min_complete, std::uint64_t timeout_ns) {
    const std::uint64_t kept = kept_tail_ - kept_head_;
    const std::uint64_t wanted = min_complete > kept ? min_complete - kept : 0;
    if (polled_ && poller_is_awake()) {
        const std::uint32_t ready = header_->cq_tail.load(std::memory_order_acquire) - cq_head_;
        if (ready >= wanted) {
            return kept + ready;
        }
    }
    const EnterResult entered = Door::enter(wanted, timeout_ns);
    if (entered.ready < 0) [[unlikely]] {
        return fail(static_cast<abi::Error>(entered.ready));
    }
    return kept + static_cast<std::uint64_t>(entered.ready);
}

template <class Door>
std::optional<abi::Completion> BasicRing<Door>::next() {
    if (kept_head_ != kept_tail_) [[unlikely]] {
        return kept_[kept_head_++ % kKept];
    }
    if (late_ != 0) [[unlikely]] {
        drop_late();
    }
    return next_in_queue();
}

template <class Door>
template <class Use>
std::uint32_t BasicRing<Door>::drain(Use use) {
    std::uint32_t count = 0;
    // Kept back, or not to be seen: one by one.
    while (kept_head_ != kept_tail_ || late_ != 0) [[unlikely]] {
        const auto completion = next();
        if (!completion) {
            return count;
        }
        use(*completion);
        ++count;
    }
    // Pairs with the kernel's release of cq_tail: the completions are there.
    const std::uint32_t tail = header_->cq_tail.load(std::memory_order_acquire);
    count += tail - cq_head_;
    for (; cq_head_ != tail; ++cq_head_) {
        use(completions_[cq_head_ % abi::kCqEntries]);
    }
    // Pairs with the kernel's acquire of cq_head: they were read before their places are used again.
    header_->cq_head.store(cq_head_, std::memory_order_release);
    return count;
}

template <class Door>
template <class Make>
std::uint32_t BasicRing<Door>::prepare_answers(Make make) {
    std::uint32_t room = free_entries();
    std::uint32_t count = 0;
    // Kept back, or not to be seen: one by one.
    while ((kept_head_ != kept_tail_ || late_ != 0) && count != room) [[unlikely]] {
        const auto completion = next();
        if (!completion) {
            return count;
        }
        (void)prepare(make(*completion));  // there is room
        ++count;
    }
    room -= count;
    // Pairs with the kernel's release of cq_tail: the completions are there.
    std::uint32_t head = cq_head_;
    const std::uint32_t row = std::min(header_->cq_tail.load(std::memory_order_acquire) - head, room);
    const std::uint32_t end = head + row;
    const abi::Completion* const completions = completions_;
    abi::Submission* const entries = submissions_;
    std::uint32_t tail = sq_tail_;
    while (head != end) {
        entries[tail++ % abi::kSqEntries] = make(completions[head++ % abi::kCqEntries]);
    }
    cq_head_ = end;
    sq_tail_ = tail;
    // Pairs with the kernel's acquire of each: the completions were read, and the entries are there.
    header_->cq_head.store(end, std::memory_order_release);
    header_->sq_tail.store(tail, std::memory_order_release);
    return count + row;
}

template <class Door>
std::optional<abi::Completion> BasicRing<Door>::next_in_queue() {
    abi::RingHeader& header = *header_;
    const std::uint32_t head = cq_head_;
    // Pairs with the kernel's release of cq_tail: the completion is there.
    if (header.cq_tail.load(std::memory_order_acquire) == head) {
        return std::nullopt;
    }
    const abi::Completion completion = completions_[head % abi::kCqEntries];
    cq_head_ = head + 1;
    // Pairs with the kernel's acquire of cq_head: the completion was read before its place is used again.
    header.cq_head.store(head + 1, std::memory_order_release);
    return completion;
}

template <class Door>
Result<std::uint64_t> BasicRing<Door>::call(abi::Submission entry, std::uint64_t timeout_ns) {
    // While this call waits, at most kCqEntries - 1 others can complete: nothing else is submitted.
    if (kept_tail_ - kept_head_ > abi::kCqEntries) [[unlikely]] {
        return fail(abi::Error::kQueueFull);
    }
    entry.user_data = kCallTag | ++calls_;
    if (const auto prepared = prepare(entry); !prepared) [[unlikely]] {
        return fail(prepared.error());
    }
    for (;;) {
        if (const auto result = result_in_queue(entry.user_data)) {
            return to_result(*result);
        }
        const EnterResult entered = Door::enter(1, timeout_ns);
        if (entered.ready < 0) [[unlikely]] {
            return give_up(entry, static_cast<abi::Error>(entered.ready));
        }
    }
}

template <class Door>
void BasicRing<Door>::drop_late() {
    while (late_ != 0 && header_->cq_tail.load(std::memory_order_acquire) != cq_head_ &&
           completions_[cq_head_ % abi::kCqEntries].user_data >= kCallTag) {
        (void)next_in_queue();
        --late_;
    }
}

template <class Door>
inline std::optional<std::int64_t> BasicRing<Door>::result_in_queue(std::uint64_t user_data) {
    while (const auto completion = next_in_queue()) {
        if (completion->user_data == user_data) {
            return completion->result;
        }
        if (completion->user_data < kCallTag) {
            kept_[kept_tail_++ % kKept] = *completion;
        } else {
            --late_;
        }
    }
    return std::nullopt;
}

template <class Door>
Result<std::uint64_t> BasicRing<Door>::give_up(const abi::Submission& entry, abi::Error error) {
    // Nothing was submitted after it. The kernel takes entries only in this thread's calls, unless there is a poller.
    if (!polled_ && free_entries() != abi::kSqEntries) {
        header_->sq_tail.store(--sq_tail_, std::memory_order_release);
        return fail(error);
    }
    Door::cancel(entry.slot, entry.user_data);
    const auto result = result_in_queue(entry.user_data);
    const auto cancelled = static_cast<std::int64_t>(abi::Error::kCancelled);
    late_ += !result;
    if (result.value_or(cancelled) == cancelled) {
        return fail(error);
    }
    return to_result(*result);
}

}  // namespace cap
