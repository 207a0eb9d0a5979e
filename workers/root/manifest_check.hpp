// SPDX-License-Identifier: MIT
//
// What can be judged only when the whole manifest has been read.
#pragma once

#include "root/manifest.hpp"

namespace cox::manifest {

// What must stand in a section stands there, names are unique, and every capability names something that
// exists.
[[nodiscard]] Result<void> check(const Manifest& manifest);

// The part of check() that is about domains: who has which CPU, and which program belongs where.
[[nodiscard]] Result<void> check_domains(const Manifest& manifest);

// That the domains' CPUs are among this machine's first `cpu_count`. Not part of check(): known at the boot only.
[[nodiscard]] Result<void> check_machine(const Manifest& manifest, std::uint64_t cpu_count);

// A name that the root task itself holds from the start.
[[nodiscard]] bool is_initial(std::string_view object);

}  // namespace cox::manifest
