// SPDX-License-Identifier: MIT
//
// Verifies a scaling run and writes its records: a line for each worker, one for each CPU, and last the
// result. docs/manifest.md explains their fields.
#pragma once

#include "root/scale_run.hpp"

namespace root {

// True if everything was counted right.
[[nodiscard]] bool report(const Context& context, ScaleRun& run);

}  // namespace root
