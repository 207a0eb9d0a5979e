// SPDX-License-Identifier: MIT
// The words that name things across the boundary: slots, thread references, rights, limits.
#pragma once
#include <cstddef>
#include <cstdint>

namespace cox::abi {

inline constexpr std::uint32_t kAbiVersion = 1;

inline constexpr std::size_t kPageSize = 4096;
inline constexpr std::uint32_t kMaxCpus = 64;
inline constexpr std::uint32_t kMaxDomains = 8;                   // scheduling domains, the root's among them
inline constexpr std::uint32_t kMaxThreads = 2048;                // lines of threads in the status table
inline constexpr std::uint64_t kUserTop = 0x0000'8000'0000'0000;  // first address that users cannot have
inline constexpr std::uint64_t kUserBottom = 0x1'0000;            // lowest address that users can map
inline constexpr std::uint64_t kForever = ~std::uint64_t{0};      // a time-out that never passes

// A capability slot of the calling process. Generation 0 is never valid, so 0 is "no capability".
struct CapSlot {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;

    constexpr std::uint64_t raw() const { return std::uint64_t{generation} << 32 | index; }
    static constexpr CapSlot from_raw(std::uint64_t raw) {
        return {static_cast<std::uint32_t>(raw), static_cast<std::uint32_t>(raw >> 32)};
    }
    constexpr explicit operator bool() const { return generation != 0; }
    friend constexpr bool operator==(CapSlot, CapSlot) = default;
};

// A thread: its line in the status table, and which of the line's successive threads is meant.
struct ThreadRef {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;

    constexpr std::uint64_t raw() const { return std::uint64_t{generation} << 32 | index; }
    static constexpr ThreadRef from_raw(std::uint64_t raw) {
        return {static_cast<std::uint32_t>(raw), static_cast<std::uint32_t>(raw >> 32)};
    }
    constexpr explicit operator bool() const { return generation != 0; }
    friend constexpr bool operator==(ThreadRef, ThreadRef) = default;
};

enum class ObjectType : std::uint32_t {
    kNone = 0,
    kProcess = 1,
    kThread = 2,
    kMemory = 3,
    kNotification = 4,
    kSchedDomain = 5,
    kLog = 6,
    kMachine = 7,
    kTimer = 9,
    kIrq = 10,
    kEndpoint = 8,
    kQuota = 11,
};

// Rights of a capability. What each permits depends on the type; docs/abi.md has the table.
using Rights = std::uint32_t;
inline constexpr Rights kRead = 1;     // observe, wait; memory: map readable
inline constexpr Rights kWrite = 2;    // signal, write, commit; memory: map writable
inline constexpr Rights kExecute = 4;  // domain: run threads there; memory: map executable
inline constexpr Rights kManage = 8;   // create, map, start, kill, attach, power off
inline constexpr Rights kGrant = 16;   // give the capability to another process
inline constexpr Rights kAllRights = 31;

}  // namespace cox::abi
