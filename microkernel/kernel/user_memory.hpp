// SPDX-License-Identifier: MIT
// The only way to user memory: copies through the kernel's own mapping of the page. User mistakes become kBadAddress.
#pragma once
#include <cstring>
#include <type_traits>

#include "kernel/address_space.hpp"

namespace cox {

core::Result<void> copy_from_user(AddressSpace& space, void* to, std::uint64_t from, std::uint64_t bytes);
core::Result<void> copy_to_user(AddressSpace& space, std::uint64_t to, const void* from, std::uint64_t bytes);

template <class T>
core::Result<T> read_user(AddressSpace& space, std::uint64_t address) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    TRY(copy_from_user(space, &value, address, sizeof value));
    return value;
}

}  // namespace cox
