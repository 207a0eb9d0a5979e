// SPDX-License-Identifier: MIT
//
// The program's capability to itself, for what has no Env at hand. Set before any constructor runs.
#pragma once

#include "abi/types.hpp"

namespace cap {

cox::abi::CapSlot own_process();

}  // namespace cap
