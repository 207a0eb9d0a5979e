// SPDX-License-Identifier: MIT
// Suspending a thread and letting it go on, from any CPU. No count: once suspended is suspended, once resumed goes on.
#pragma once
#include "kernel/thread.hpp"

namespace cox {

// At once if it is nowhere on a CPU, else as soon as its CPU looks. False: it was not started, has gone, or is an agent.
[[nodiscard]] bool suspend_thread(Thread& thread);

// It waits on, or is runnable if it was before or what it waited for has come. False: it was not started, or has gone.
[[nodiscard]] bool resume_thread(Thread& thread);

}  // namespace cox
