// SPDX-License-Identifier: MIT
//
// TRY(expression): the value of a std::expected, or return its error from the function that encloses it.
// TRY_OR(expression, error): the same for a std::optional, which brings no error of its own.
// Both move the value out, so they suit move-only types, and the value may be discarded; TRY also takes
// std::expected<void, E>. Do not nest them.
#pragma once

#include <expected>
#include <type_traits>
#include <utility>

namespace cox::core::detail {

template <class Holder>
constexpr auto value_of(Holder&& holder) {
    if constexpr (!std::is_void_v<decltype(*std::move(holder))>) {
        return *std::move(holder);
    }
}

}  // namespace cox::core::detail

#define TRY(...)                                                        \
    __extension__({                                                     \
        auto try_result_ = (__VA_ARGS__);                               \
        if (!try_result_.has_value()) [[unlikely]] {                    \
            return ::std::unexpected(::std::move(try_result_).error()); \
        }                                                               \
        ::cox::core::detail::value_of(::std::move(try_result_));        \
    })

#define TRY_OR(expression, error_value)                          \
    __extension__({                                              \
        auto try_result_ = (expression);                         \
        if (!try_result_.has_value()) [[unlikely]] {             \
            return ::std::unexpected(error_value);               \
        }                                                        \
        ::cox::core::detail::value_of(::std::move(try_result_)); \
    })
