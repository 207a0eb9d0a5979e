// SPDX-License-Identifier: MIT
//
// PhysView: how a parser looks at physical memory. The kernel wraps its own mapping, a test wraps an array.
// view(address, length) gives exactly `length` bytes, or the empty span when any of them cannot be read; a
// callable that returns fewer than it was asked for counts as unreadable. Non-owning: the callable must
// outlive the view, so pass it down, never store it.
#pragma once

#include "core/bytes.hpp"

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace cox::core {

class PhysView {
public:
    template <class Callable>
        requires(!std::same_as<std::remove_cvref_t<Callable>, PhysView> &&
                 std::is_invocable_r_v<Bytes, const Callable&, std::uint64_t, std::uint64_t>)
    PhysView(const Callable& callable)  // implicit: a parameter type, like string_view
        : context_(&callable),
          call_([](const void* context, std::uint64_t address, std::uint64_t length) -> Bytes {
              return (*static_cast<const Callable*>(context))(address, length);
          }) {}

    [[nodiscard]] Bytes operator()(std::uint64_t address, std::uint64_t length) const {
        const Bytes bytes = call_(context_, address, length);
        return bytes.size() < length ? Bytes{} : bytes.first(static_cast<std::size_t>(length));
    }

private:
    const void* context_;
    Bytes (*call_)(const void*, std::uint64_t, std::uint64_t);
};

}  // namespace cox::core
