// SPDX-License-Identifier: MIT
//
// The program's capability to itself, for what has no Env at hand. Set before any constructor runs.
#pragma once

#include "abi/types.hpp"

namespace cap {

namespace detail {
extern cox::abi::CapSlot process_slot;
}

inline cox::abi::CapSlot own_process() { return detail::process_slot; }

}  // namespace cap
