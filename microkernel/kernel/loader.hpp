// SPDX-License-Identifier: MIT
// Starts the root task: the one program that the kernel loads itself, with every initial capability.
#pragma once
#include <string_view>

#include "core/boot_info.hpp"

namespace cox {

// `program`: its name in the archive. Panics if it cannot be started: there is nobody to tell.
void start_root_task(const core::BootModule& archive, std::string_view program,
                     std::string_view command_line);

}  // namespace cox
