// SPDX-License-Identifier: MIT
//
// What a bomb (bomb.cpp) says by its bell.
#pragma once

#include <cstdint>

namespace test {

inline constexpr std::uint64_t kBombRefused = 1;  // by kQuota
inline constexpr std::uint64_t kBombBroken = 2;   // by anything else
inline constexpr std::uint64_t kBombGrown = 4;    // there is one more

}  // namespace test
