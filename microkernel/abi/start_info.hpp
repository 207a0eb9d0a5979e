// SPDX-License-Identifier: MIT
// What a program finds at its start: RDI points to this page. The kernel writes it for the root task,
// libcap's spawn for every other program.
#pragma once
#include <cstdint>

#include "abi/types.hpp"

namespace cox::abi {

struct NamedCap {
    char name[24];  // NUL-terminated
    std::uint64_t slot;
};

inline constexpr std::uint64_t kStartMagic = 0x636f78737761696e;  // "coxswain"
inline constexpr std::uint32_t kMaxNamedCaps = 32;

// Every program has "process" and "thread" (itself); most have "log". The root task has also
// "domain", "machine", and "archive" (a memory object, mapped read-only at archive_address).
struct StartInfo {
    std::uint64_t magic;
    std::uint32_t abi_version;
    std::uint32_t cap_count;
    std::uint64_t ring_address;
    std::uint64_t tsc_hz;
    std::uint64_t cpu_count;  // CPUs online, numbered from 0
    std::uint64_t archive_address;
    std::uint64_t archive_size;  // bytes
    std::uint64_t free_address;  // from here on the address space is the program's to use
    NamedCap caps[kMaxNamedCaps];
    char arguments[2048];  // NUL-terminated "key=value key2=value2"
};
static_assert(sizeof(StartInfo) <= kPageSize);

// The main thread's FS base lies so far below the top of its stack: room for a TCB, and thread-local variables below it.
inline constexpr std::uint64_t kTcbSize = 64;

}  // namespace cox::abi
