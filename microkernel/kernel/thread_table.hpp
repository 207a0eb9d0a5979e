// SPDX-License-Identifier: MIT
// The table of all threads. A slot's memory is a Thread's for ever, so a stale ThreadRef can be looked up safely: the reference
// count says whether somebody lives there, the generation who.
#pragma once
#include <cstddef>

#include "abi/sched.hpp"
#include "core/result.hpp"
#include "kernel/frames.hpp"
#include "kernel/thread.hpp"

namespace cox {

void thread_table_init();  // boot CPU, once

// A thread in state created, with two references: the one returned, and that of its life, which finish_exit releases. kNoSlot.
// `polled`: it is a poller of that thread's ring.
core::Result<RefPtr<Thread>> allocate_thread(Process& process, SchedDomain* domain, std::uint32_t cpu,
                                             std::uint64_t affinity, Thread* polled);

RefPtr<Thread> find_thread(abi::ThreadRef ref);  // null when it has gone
Thread* hold_thread(abi::ThreadRef ref);         // the same, with a reference that is the caller's to give up

// Calls visit(Thread&) for every thread alive. Long.
template <class Visit>
void for_each_thread(Visit visit);

std::uint32_t thread_high_water();  // no slot at or above it was ever used
RefPtr<Thread> thread_at(std::uint32_t index);

abi::HintLine& hint_line(std::uint32_t index);  // of the root domain's server
Physical hint_table_frame();                    // kHintPages in a row
Physical status_table_frame();                  // its first frame; kStatusTablePages in a row

inline constexpr std::size_t kThreadSlotSize = sizeof(Thread);
static_assert(kThreadSlotSize <= 2560 && kThreadSlotSize % 64 == 0);  // 5 MiB in all

namespace detail {
// release: a slot's memory is ready before its index is below the mark; acquire in thread_at
extern std::atomic<std::uint32_t> high_water;
extern std::byte* slots;
extern abi::StatusLine* lines;
// Below the mark. Zeroes, if the first Thread there is only just being made.
inline Thread& thread_slot(std::uint32_t index) {
    return *reinterpret_cast<Thread*>(slots + index * kThreadSlotSize);
}
}  // namespace detail

// Threads, then CPUs.
inline abi::StatusLine& status_line(std::uint32_t index) { return detail::lines[index]; }

inline Thread* hold_thread(abi::ThreadRef ref) {
    if (ref.index >= detail::high_water.load(std::memory_order_acquire)) return nullptr;
    Thread* const thread = &detail::thread_slot(ref.index);
    if (!thread->retain_if_alive()) return nullptr;
    if (thread->ref == ref) [[likely]]
        return thread;
    thread->release();
    return nullptr;
}

template <class Visit>
void for_each_thread(Visit visit) {
    for (std::uint32_t i = 0; i < thread_high_water(); ++i) {
        if (auto thread = thread_at(i)) visit(*thread);
    }
}

}  // namespace cox
