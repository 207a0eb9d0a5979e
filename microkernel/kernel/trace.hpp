// SPDX-License-Identifier: MIT
// What each CPU does, as records in memory, for whoever reads the machine's memory after its end: docs/tracing.md. Off unless
// the boot parameter `trace=` names classes. A site is one line:
//     if (tracing(core::kTraceIpi)) trace(core::TraceEvent::kIpi, {}, target.number);
#pragma once
#include "core/trace.hpp"

namespace cox {

class Thread;

extern std::uint32_t trace_classes;  // written once, before the other CPUs are released
// How many of the system calls entry.S sends to their functions by itself: none while they are traced, so that they cost nothing
// while they are not.
extern "C" std::uint64_t direct_calls;
inline bool tracing(std::uint32_t trace_class) { return __builtin_expect(trace_classes & trace_class, 0); }

void trace_write(std::uint64_t what, std::uint64_t a, std::uint64_t b, std::uint64_t tsc);

// A record of this CPU. `tsc`: when it happened, if that had to be read before others could act on it; 0: now. Records of
// a CPU must come in the order of their times.
inline void trace(core::TraceEvent event, abi::ThreadRef thread, std::uint64_t a = 0, std::uint64_t b = 0,
                  std::uint64_t tsc = 0) {
    trace_write(core::trace_what(event, thread), a, b, tsc);
}
// A system call of the current thread. entry.S relies on preserve_most: the call's arguments stay where they are.
extern "C" [[clang::preserve_most]] void trace_call(std::uint64_t first, std::uint64_t second,
                                                    std::uint64_t number);
// A new thread, with its label: the reader needs names.
void trace_name(const Thread& thread);

// Boot processor, when all CPUs are known. Unknown classes, or pages that are too few or too many, end the boot.
void trace_init(std::string_view classes, std::uint64_t pages);
// At power-off: the counters, against which the trace can be checked.
void trace_finish();

}  // namespace cox
