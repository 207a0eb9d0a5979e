// SPDX-License-Identifier: MIT
//
// Result<T>: a value, or the abi::Error that the user gets to see. Pass it on with TRY, make an error with
// fail(). Functions that return one are marked [[nodiscard]]; parsers whose errors never leave the kernel use
// an enum of their own.
#pragma once

#include "abi/error.hpp"
#include "core/try.hpp"

#include <expected>

namespace cox::core {

template <class T>
using Result = std::expected<T, abi::Error>;

[[nodiscard]] constexpr std::unexpected<abi::Error> fail(abi::Error error) { return std::unexpected(error); }

}  // namespace cox::core
