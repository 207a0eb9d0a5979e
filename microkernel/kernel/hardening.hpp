// SPDX-License-Identifier: MIT
// What a hardened build of the kernel (docs/security.md) needs besides the compiler's flags: the number that stands in each stack
// frame, and what a trap for undefined behaviour says. Both end in a panic.
#pragma once
#include "arch/frame.hpp"

namespace cox {

// Another number at each boot. Once, on the boot CPU, by a function that never returns and has none that is still to return above it.
void seed_stack_guard();

// Of an exception in the kernel: what the compiler's check has found, or nullptr.
const char* undefined_behaviour(const arch::TrapFrame& frame);

}  // namespace cox
