// SPDX-License-Identifier: MIT
// What a system call gives back in RAX and RDX, where C++ returns it.
#pragma once
#include <cstdint>

#include "abi/error.hpp"

namespace cox {

struct CallResult {
    std::int64_t value;
    std::uint64_t second;
};

constexpr CallResult failed(abi::Error error) { return {static_cast<std::int64_t>(error), 0}; }

}  // namespace cox
