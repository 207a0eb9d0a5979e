// SPDX-License-Identifier: MIT
// x86-64 four-level page tables: entries, the walk, and the kernel's own half.
//
//   0x0000000000010000 .. 0x00007fffffffefff   user
//   0xffff800000000000 ..                      physical map: all RAM, and device pages
//   0xffffc00000000000 ..                      kernel stacks, with guard pages
//   0xffffffff80200000 ..                      kernel image
//
// The upper 256 entries of every top table are the same; they are filled at boot and never change.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "abi/types.hpp"

namespace cox {

// What the tables are made of; the kernel provides it (kernel/frames.hpp).
std::optional<std::uint64_t> allocate_zeroed_frame();

}  // namespace cox

namespace cox::arch {

using Physical = std::uint64_t;

inline constexpr std::uint64_t kPhysicalMap = 0xffff'8000'0000'0000;
inline constexpr std::uint64_t kStackRegion = 0xffff'c000'0000'0000;
inline constexpr std::uint64_t kKernelBase = 0xffff'ffff'8000'0000;

inline constexpr std::uint64_t kPresent = 1, kWritable = 2, kUser = 4, kWriteThrough = 8, kCacheDisable = 16,
                               kHuge = 1 << 7, kGlobal = 1 << 8, kNoExecute = std::uint64_t{1} << 63;
inline constexpr unsigned kAllowedShift = 52;  // three bits for software
inline constexpr std::uint64_t kAddressMask = 0x000f'ffff'ffff'f000;

template <class T = void>
T* physical_to_virtual(Physical address) {
    return reinterpret_cast<T*>(kPhysicalMap + address);
}
inline Physical virtual_to_physical(const void* address) {
    return reinterpret_cast<std::uint64_t>(address) - kPhysicalMap;
}

// Of what the kernel's image holds: its statics.
inline Physical image_to_physical(const void* address) {
    return reinterpret_cast<std::uint64_t>(address) - kKernelBase;
}

using Table = std::uint64_t;  // one entry; a table is 512 of them

inline unsigned table_index(std::uint64_t address, unsigned level) {
    return address >> (12 + 9 * level) & 511;
}

// The entry of `address` in the last level, or nullptr if a table is missing on the way.
Table* find_entry(Physical top, std::uint64_t address);

// The last level's entry itself, as it stands just now, without anybody's lock; 0: none.
inline std::uint64_t read_entry(Physical top, std::uint64_t address) {
    Physical table = top;
    for (unsigned level = 3;; --level) {
        const auto entry = __atomic_load_n(physical_to_virtual<Table>(table) + table_index(address, level),
                                           __ATOMIC_RELAXED);
        if (!(entry & kPresent)) return 0;
        if (level == 0) return entry;
        table = entry & kAddressMask;
    }
}

// The same, making missing tables. nullptr: no frame. `user`: tables allow user access.
Table* make_entry(Physical top, std::uint64_t address, bool user);

// Leaf entry for a user page with the given abi::Rights. `allowed` stands in bits that the hardware ignores: what the mapping's
// capability allowed, which kProtect may not exceed.
std::uint64_t user_entry(Physical frame, abi::Rights access, abi::Rights allowed);
abi::Rights allowed_rights(std::uint64_t entry);

// Builds the final kernel half over RAM up to `ram_end` and switches this CPU to it.
void build_kernel_tables(std::uint64_t ram_end);
Physical kernel_top();  // the kernel's own top table: no user half

// Boot time only: device pages (uncached).
void map_device(Physical address);

// Each CPU's stacks, one above the other, with pages between them that are mapped to nothing:
//
//   2 guard │ 4 kernel │ 2 guard │ 2 IST 1 │ 2 guard │ 2 IST 2 │ … │ rest of 32 pages
//
// A stack that is full ends in a double fault then, with CR2 in the guard below it. The boot stack, in the image, has a guard
// page of its own.
inline constexpr std::uint64_t kStackBytes = 16384;
inline constexpr unsigned kIstStacks = 4;      // tables.hpp says what for
std::uint64_t map_kernel_stack(unsigned cpu);  // -> its top; boot time only
// Boot time only. `owner` is written at the bottom of each, where entry.S finds it.
void map_ist_stacks(unsigned cpu, void* owner);
std::uint64_t ist_stack_top(unsigned cpu, unsigned index);

struct Guard {
    unsigned cpu;
    std::string_view stack;
};
// Of which stack the address is a guard page.
std::optional<Guard> find_guard(std::uint64_t address);

}  // namespace cox::arch
