// SPDX-License-Identifier: MIT
//
// FixedList<T, N>: up to N elements in place, for a parser that has no heap.
#pragma once

#include <array>
#include <cstddef>

namespace cox::manifest {

template <class T, std::size_t N>
class FixedList {
public:
    // The new element, or nullptr when all N are in use.
    [[nodiscard]] constexpr T* add() { return size_ < N ? &(items_[size_++] = T{}) : nullptr; }
    [[nodiscard]] constexpr std::size_t size() const { return size_; }
    [[nodiscard]] constexpr T& back() { return items_[size_ - 1]; }
    [[nodiscard]] constexpr const T& operator[](std::size_t i) const { return items_[i]; }

    constexpr T* begin() { return items_.data(); }
    constexpr T* end() { return items_.data() + size_; }
    constexpr const T* begin() const { return items_.data(); }
    constexpr const T* end() const { return items_.data() + size_; }

private:
    std::array<T, N> items_{};
    std::size_t size_ = 0;
};

}  // namespace cox::manifest
