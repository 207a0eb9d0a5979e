// SPDX-License-Identifier: MIT
//
// Waiting on a word of memory (kPark, kUnpark: docs/abi.md). What cap/sync.hpp is made of; most code wants that.
#pragma once

#include "abi/types.hpp"
#include "cap/own_slots.hpp"
#include "cap/process.hpp"
#include "cap/result.hpp"
#include "cap/syscall.hpp"

#include <atomic>
#include <cstdint>

namespace cap {

namespace detail {
inline Result<void> nothing(std::int64_t result) {
    return result < 0 ? fail(static_cast<abi::Error>(result)) : Result<void>();
}
}  // namespace detail

// Among the threads of this process. Waits until unpark(), unless the word is not `expected` any more: kValueChanged;
// kTimedOut. Whatever it returns, the caller looks at the word again.
inline Result<void> park(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                         std::uint64_t timeout_ns = abi::kForever) {
    const auto address = reinterpret_cast<std::uint64_t>(&word);
    return detail::nothing(cap_call(own_process(), abi::Op::kPark, address, expected, timeout_ns).result);
}
// Wakes those that have waited longest, `count` at most -> how many there were.
inline std::uint64_t unpark(const std::atomic<std::uint32_t>& word, std::uint64_t count) {
    const auto address = reinterpret_cast<std::uint64_t>(&word);
    const auto woken = cap_call(own_process(), abi::Op::kUnpark, address, count).result;
    // Never an error: the word is aligned, and the slot has all rights.
    return woken < 0 ? 0 : static_cast<std::uint64_t>(woken);
}
inline constexpr std::uint64_t kAll = ~std::uint64_t{0};

// Among all who have the memory object: the word at `offset` in it.
Result<void> park(Memory memory, std::uint64_t offset, std::uint32_t expected,
                  std::uint64_t timeout_ns = abi::kForever);
Result<std::uint64_t> unpark(Memory memory, std::uint64_t offset, std::uint64_t count);

// How the types of cap/sync.hpp wait; a unit test has another one.
struct KernelParking {
    static void park(const std::atomic<std::uint32_t>& word, std::uint32_t expected) {
        (void)cap::park(word, expected);
    }
    static void unpark(const std::atomic<std::uint32_t>& word, std::uint64_t count) {
        (void)cap::unpark(word, count);
    }
};

}  // namespace cap
