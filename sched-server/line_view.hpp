// SPDX-License-Identifier: MIT
//
// LineView: a copy of one line of the status table. read_line() takes it consistently: `word` is read before
// and after the other fields until both agree. The kernel may change the line again and again, so after
// kTries the newest word is taken with whatever fields were read; an event for the line is then due anyway.
#pragma once

#include "abi/sched.hpp"

#include <atomic>
#include <cstdint>

namespace sched {

namespace abi = cox::abi;

// What a line says of calls, while the thread waits for the reply to one or serves one: hints of the moment.
struct CallView {
    bool named = false;        // it waits, rather than lends its time to the server
    abi::ThreadRef waits_for;  // then: the thread that has its call, or is to take it; may be none
    std::uint32_t serves = 0;  // 1 + the line of its caller, or 0

    static CallView of(const abi::StatusLine& line) {
        CallView view;
        const std::uint64_t since = line.runnable_since.load(std::memory_order_relaxed);
        view.named = (since & abi::kCalledThread) != 0;
        view.waits_for = abi::called_thread(since);
        view.serves = line.serves.load(std::memory_order_relaxed);
        return view;
    }
};

inline bool waits_for_reply(abi::ThreadWord word) {
    return word.state() == abi::ThreadState::kWaiting && word.cause() == abi::Cause::kCalls;
}

struct LineView {
    abi::ThreadWord word;
    abi::ThreadRef ref;
    std::uint64_t runtime_ns = 0;
    std::uint64_t runnable_since = 0;  // TSC
    std::uint64_t affinity = 0;
    std::uint64_t label = 0;
    std::uint32_t domain = 0;
};

[[gnu::always_inline]] inline LineView read_line(const abi::StatusLine& line) {
    constexpr int kTries = 8;
    LineView view;
    // Acquire: pairs with the kernel's release of the word; the fields are at least as new.
    std::uint64_t word = line.word.load(std::memory_order_acquire);
    for (int i = 0; i < kTries; ++i) {
        view.ref = abi::ThreadRef::from_raw(line.ref.load(std::memory_order_relaxed));
        view.runtime_ns = line.runtime_ns.load(std::memory_order_relaxed);
        view.runnable_since = line.runnable_since.load(std::memory_order_relaxed);
        view.affinity = line.affinity.load(std::memory_order_relaxed);
        view.label = line.label.load(std::memory_order_relaxed);
        view.domain = line.domain.load(std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_acquire);  // the fields were read before the word below
        const std::uint64_t again = line.word.load(std::memory_order_acquire);
        if (again == word) {
            break;
        }
        word = again;
    }
    view.word = abi::ThreadWord{word};
    return view;
}

}  // namespace sched
