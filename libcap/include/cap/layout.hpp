// SPDX-License-Identifier: MIT
//
// The address space of a spawned program. (The root task's is the kernel's to choose; it reads its StartInfo
// too.)
//
//     0x0040'0000  the program's segments, wherever below kStartInfoAddress its ELF file says
//     0x7000'0000  StartInfo, one page, read-only
//     0x7001'0000  the main thread's ring
//     0x7010'0000  unmapped, then the main thread's stack, which ends at kStackTop
//     0x8000'0000  free_address: cap::AddressSpace hands out from here
#pragma once

#include "abi/types.hpp"

#include <cstdint>

namespace cap {

inline constexpr std::uint64_t kStartInfoAddress = 0x7000'0000;
inline constexpr std::uint64_t kMainRingAddress = 0x7001'0000;
inline constexpr std::uint64_t kStackLimit = 0x7010'0000;  // no stack page at or below this one
inline constexpr std::uint64_t kStackTop = 0x7f00'0000;
inline constexpr std::uint64_t kFreeAddress = 0x8000'0000;
inline constexpr std::uint64_t kFreeEnd = cox::abi::kUserTop - cox::abi::kPageSize;

inline constexpr std::uint64_t kDefaultStackPages = 16;
inline constexpr std::uint64_t kMaxStackPages = (kStackTop - kStackLimit) / cox::abi::kPageSize - 1;

}  // namespace cap
