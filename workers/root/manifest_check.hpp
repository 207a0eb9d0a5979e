// SPDX-License-Identifier: MIT
//
// What can be judged only when the whole manifest has been read.
#pragma once

#include "root/manifest.hpp"

namespace cox::manifest {

// What must stand in a section stands there, names are unique, and every capability names something that
// exists.
[[nodiscard]] Result<void> check(const Manifest& manifest);

// A name that the root task itself holds from the start.
[[nodiscard]] bool is_initial(std::string_view object);

}  // namespace cox::manifest
