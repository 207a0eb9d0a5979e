// SPDX-License-Identifier: MIT
//
// What is thread-local: the x86-64 ABI's variant II. FS points to the TCB, whose first word is its own address; the
// program's variables stand below it. Internal to libcap.
#pragma once

#include "cap/ring.hpp"

#include <cstdint>

// program.ld: its address is the number of bytes that the variables take below the TCB.
extern "C" const std::byte cap_tls_size_end[];

namespace cap {

// Where the variables begin, and the stack may end.
[[nodiscard]] inline std::uint64_t local_of(std::uint64_t tcb) {
    return tcb - reinterpret_cast<std::uint64_t>(cap_tls_size_end);
}

// Gives the variables of the thread whose FS base is `tcb` their first values. Before it starts, or as the first
// thing that it does.
void set_up_local(std::uint64_t tcb);

// The calling thread's; this_ring() returns it from then on.
void set_this_ring(Ring& ring);

}  // namespace cap
