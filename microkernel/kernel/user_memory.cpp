// SPDX-License-Identifier: MIT
#include "kernel/user_memory.hpp"

#include <algorithm>

namespace cox {

namespace {

template <class Copy>
core::Result<void> each_page(AddressSpace& space, std::uint64_t address, std::uint64_t bytes,
                             abi::Rights access, Copy copy) {
    for (std::uint64_t done = 0; done < bytes;) {
        std::uint64_t step = 0;
        TRY(space.with_page(address + done, access, [&](std::byte* memory, std::uint64_t room) {
            step = std::min(room, bytes - done);
            copy(memory, done, step);
        }));
        done += step;
    }
    return {};
}

}  // namespace

core::Result<void> copy_from_user(AddressSpace& space, void* to, std::uint64_t from, std::uint64_t bytes) {
    return each_page(space, from, bytes, abi::kRead,
                     [&](std::byte* memory, std::uint64_t at, std::uint64_t n) {
                         std::memcpy(static_cast<std::byte*>(to) + at, memory, n);
                     });
}

core::Result<void> copy_to_user(AddressSpace& space, std::uint64_t to, const void* from,
                                std::uint64_t bytes) {
    return each_page(space, to, bytes, abi::kWrite,
                     [&](std::byte* memory, std::uint64_t at, std::uint64_t n) {
                         std::memcpy(memory, static_cast<const std::byte*>(from) + at, n);
                     });
}

}  // namespace cox
