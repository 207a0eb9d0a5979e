// SPDX-License-Identifier: MIT
//
// How much memory there is: found by taking all of it, in ever smaller pieces, and giving it back.
#pragma once

#include "cap/env.hpp"

#include <array>

namespace test {

// The same whenever the kernel has the same number of free frames.
inline std::uint64_t free_pages(const cap::Env& env) {
    std::array<cap::Memory, 128> held;
    std::size_t count = 0;
    std::uint64_t total = 0;
    for (std::uint64_t pages = cox::abi::kMaxPagesPerObject; pages != 0 && count < held.size();) {
        if (const auto memory = env.process.create_memory(pages)) {
            held[count++] = *memory;
            total += pages;
        } else {
            pages /= 2;
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        held[i].drop();
    }
    return total;
}

}  // namespace test
