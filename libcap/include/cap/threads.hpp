// SPDX-License-Identifier: MIT
//
// Sibling threads: a new thread of the own process with a stack (an unmapped page below it) and a ring of its
// own. Thread-local variables (thread_local) work in every thread that libcap starts; those with destructors do not link.
#pragma once

#include "cap/env.hpp"
#include "cap/layout.hpp"

#include <cstdint>

namespace cap {

// Runs on the new thread. `ring` is the new thread's. When it returns, the thread ends with the value as exit
// code.
using ThreadFunction = std::uint64_t (*)(Ring& ring, void* argument);

struct ThreadOptions {
    std::uint64_t affinity = 0;  // 0: all CPUs
    std::uint64_t label = 0;
    std::uint64_t first_cpu = 0;
    std::uint64_t stack_pages = kDefaultStackPages;
};

// The thread is created and not started. Its stack and ring stay mapped until the process ends: for threads that come
// and go there is cap/joining_thread.hpp.
[[nodiscard]] Result<Thread> create_sibling(const Env& env, ThreadFunction function, void* argument,
                                            const ThreadOptions& options = {});

// The calling thread's, if libcap has started it.
[[nodiscard]] Ring& this_ring();

}  // namespace cap
