// SPDX-License-Identifier: MIT
// Choices made by the build.
#pragma once

#ifndef COX_DEBUG_CHECKS
#define COX_DEBUG_CHECKS 0
#endif

namespace cox {

// Checks too dear for a release kernel: lock order, who touches a CPU's state.
inline constexpr bool kDebugChecks = COX_DEBUG_CHECKS;

}  // namespace cox
