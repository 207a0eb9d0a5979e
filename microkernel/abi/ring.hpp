// SPDX-License-Identifier: MIT
// The ring that every thread owns: submissions in, completions out, in three pages that kernel and
// user share.
//
//   page 0  RingHeader   indices, each side's on a cache line of its own; then RingMessage[kRingMessages]
//   page 1  Submission[kSqEntries]
//   page 2  Completion[kCqEntries]
//
// Indices run freely and are masked on use. Each is written by one side: user sq_tail and cq_head,
// kernel sq_head, sq_polled and cq_tail. The kernel keeps its own copies of its two and never reads them back, and
// it treats what the user wrote as a hint: a queue that claims more entries than fit is refused
// (kBadArgument), which harms its owner alone.
//
// Publishing: the writer fills entries, then stores its tail with release; the reader loads that tail
// with acquire. The kernel copies an entry before it looks at it.
//
// A poller goes to sleep in this order: sq_polled = 0; full fence; look at sq_tail once more. So the user stores sq_tail;
// full fence; reads sq_polled, and calls the kernel if it is 0. One of the two sees the other.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/calls.hpp"
#include "abi/message.hpp"
#include "abi/types.hpp"

namespace cox::abi {

inline constexpr std::uint32_t kSqEntries = 64;
inline constexpr std::uint32_t kCqEntries = 128;
inline constexpr std::uint32_t kRingPages = 3;

struct Submission {
    Op op;
    std::uint16_t flags;
    std::uint32_t reserved;  // 0
    std::uint64_t slot;      // CapSlot::raw
    std::uint64_t user_data;
    std::uint64_t args[5];
};
static_assert(sizeof(Submission) == 64);

// Submission flags.
inline constexpr std::uint16_t kQuietSuccess = 1;  // no completion when the operation succeeds at once
inline constexpr std::uint16_t kLink = 2;          // the next one is done only when this one has succeeded

struct Completion {
    std::uint64_t user_data;
    std::int64_t result;  // or Error
    std::uint64_t result2;
    std::uint64_t flags;  // 0
};
static_assert(sizeof(Completion) == 32);

struct RingHeader {
    alignas(64) std::atomic<std::uint32_t> sq_tail;  // user
    alignas(64) std::atomic<std::uint32_t> sq_head;  // kernel
    std::atomic<std::uint32_t> sq_polled;  // kernel: 1: a poller is awake and sees a new sq_tail by itself
    alignas(64) std::atomic<std::uint32_t> cq_tail;  // kernel
    alignas(64) std::atomic<std::uint32_t> cq_head;  // user
};
static_assert(sizeof(RingHeader) == 256);

// Words of messages (abi/message.hpp): the operation's MessageInfo names the place. The kernel reads or writes it only between
// submission and completion of that operation.
struct alignas(64) RingMessage {
    std::uint64_t words[kMessageWords];
};
inline constexpr std::uint32_t kRingMessages = (kPageSize - sizeof(RingHeader)) / sizeof(RingMessage);
static_assert(kRingMessages == 60);
static_assert(kSqEntries * sizeof(Submission) == kPageSize && kCqEntries * sizeof(Completion) == kPageSize);

}  // namespace cox::abi
