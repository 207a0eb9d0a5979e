// SPDX-License-Identifier: MIT
//
// Result<T> of everything in libcap that can fail: a value, or the error that the kernel gave. Pass it on
// with TRY.
#pragma once

#include "abi/error.hpp"
#include "core/result.hpp"
#include "core/try.hpp"

#include <cstdint>
#include <expected>
#include <string_view>

namespace cap {

namespace abi = cox::abi;
using cox::core::fail;

template <class T>
using Result = cox::core::Result<T>;

// The enumerator without its k, "NoRight"; "?" for a number that is no Error.
[[nodiscard]] std::string_view error_name(abi::Error error);

// What a call left in RAX, as a result.
[[nodiscard]] constexpr Result<std::uint64_t> to_result(std::int64_t raw) {
    if (raw < 0) [[unlikely]] {
        return fail(static_cast<abi::Error>(raw));
    }
    return static_cast<std::uint64_t>(raw);
}

}  // namespace cap
