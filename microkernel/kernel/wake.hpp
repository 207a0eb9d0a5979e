// SPDX-License-Identifier: MIT
// Making threads runnable, and handing them to a CPU. Any CPU; no lock held.
#pragma once
#include "abi/sched.hpp"
#include "kernel/thread.hpp"

namespace cox {

// What a thread waited for has come: it is queued by the kernel, or unplaced and the server told.
void wake(Thread& thread);

// A created thread begins in the same way. False: it has been started before, or has gone.
[[nodiscard]] bool start_thread(Thread& thread);

// The caller has just moved the thread to unplaced (a thread of the domain) or, for a wake, to queued (one that the kernel places).
void made_runnable(Thread& thread, abi::ThreadWord word, std::uint64_t since);
// The same to queued without a wake: it was runnable before.
void resumed_to_queue(Thread& thread, abi::ThreadWord word, std::uint64_t since);

// The caller has just moved the thread to unplaced. Posts its event, or places it if there is no server.
void became_unplaced(Thread& thread, abi::ThreadWord word);

// Unplaced → queued by the kernel, on the CPU where it ran last. Nothing happens if somebody else has moved it since.
void place_by_kernel(Thread& thread, abi::ThreadWord word, abi::Cause cause);

// The caller has just moved the thread to queued on `cpu`, and has written its placement.
void enqueue_on(std::uint32_t cpu, Thread& thread);

// An unplaced thread has been moved elsewhere by whoever calls this.
void left_unplaced(abi::ThreadWord word);

}  // namespace cox
