// SPDX-License-Identifier: MIT
//
// The sequences of steps that a manifest can ask for. Each starts the server first, unless it is off.
#pragma once

#include "root/context.hpp"

namespace root {

// Starts all programs and compares their exit codes with the manifest's; reports as a test suite does.
[[nodiscard]] bool run_programs(Context& context);

// Starts the workers, which are the instances of program "worker" or the threads of its only one, releases them
// together through their notifications "go", times them, and checks what they left in their memory objects "result".
[[nodiscard]] bool run_scale(Context& context);

}  // namespace root
