// SPDX-License-Identifier: MIT
//
// A bump allocator over memory mapped once: for a program's long-lived tables. Nothing is ever freed, and
// destructors do not run. Not for use by several threads at once.
#pragma once

#include "cap/env.hpp"

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

namespace cap {

class Arena {
public:
    // Maps `pages` zeroed pages.
    [[nodiscard]] static Result<Arena> create(const Env& env, std::uint64_t pages);
    constexpr explicit Arena(std::span<std::byte> memory) : rest_(memory) {}

    // Raw bytes, or nullptr when the arena is used up. `alignment` is a power of two.
    [[nodiscard]] void* allocate(std::size_t size, std::size_t alignment) {
        const auto begin = reinterpret_cast<std::uintptr_t>(rest_.data());
        const std::size_t padding = (alignment - begin % alignment) % alignment;
        if (rest_.size() < padding || rest_.size() - padding < size) {
            return nullptr;
        }
        void* const memory = rest_.data() + padding;
        rest_ = rest_.subspan(padding + size);
        return memory;
    }

    template <class T, class... Args>
    [[nodiscard]] T* make(Args&&... args) {
        void* memory = allocate(sizeof(T), alignof(T));
        return memory != nullptr ? new (memory) T(std::forward<Args>(args)...) : nullptr;
    }

    // `count` value-initialised elements; an empty span when the arena is used up.
    template <class T>
    [[nodiscard]] std::span<T> make_array(std::size_t count) {
        if (count > rest_.size() / sizeof(T)) {
            return {};
        }
        auto* memory = static_cast<std::byte*>(allocate(count * sizeof(T), alignof(T)));
        if (memory == nullptr) {
            return {};
        }
        for (std::size_t i = 0; i < count; ++i) {
            new (memory + i * sizeof(T)) T();
        }
        return {reinterpret_cast<T*>(memory), count};
    }

private:
    std::span<std::byte> rest_;
};

}  // namespace cap
