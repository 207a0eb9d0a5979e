// SPDX-License-Identifier: MIT
//
// A result for people, and for programs.
#pragma once

#include "result.hpp"

#include <string>

namespace sim {

// `cpu_s` is the host's CPU time that the simulation took.
[[nodiscard]] std::string table(const Result& result, double cpu_s);
[[nodiscard]] std::string json(const Result& result, double cpu_s);

}  // namespace sim
