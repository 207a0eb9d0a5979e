// SPDX-License-Identifier: MIT
// Choices made by the build (cmake/CoxswainFlags.cmake defines the macros, always).
#pragma once

namespace cox {

// Checks too dear for a release kernel: lock order, who touches a CPU's state.
inline constexpr bool kDebugChecks = COX_DEBUG_CHECKS;

}  // namespace cox
