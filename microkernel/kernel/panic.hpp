// SPDX-License-Identifier: MIT
// The end after a kernel bug: every other CPU is stopped, then CPU, cause, registers and backtrace are printed, and the
// machine ends with ExitCode::kPanic. The first CPU to panic speaks; the others stop.
#pragma once
#include <string_view>

#include "arch/frame.hpp"

namespace cox {

[[noreturn]] void panic(std::string_view cause, const arch::TrapFrame* frame = nullptr);

// Whether somebody has panicked: what an NMI asks.
bool panicking();

// The machine lacks something essential: says so, and ends with ExitCode::kUnsupported.
[[noreturn]] void unsupported(std::string_view what);

}  // namespace cox
