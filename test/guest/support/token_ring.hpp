// SPDX-License-Identifier: MIT
//
// TokenRing: threads of several processes that hand one token round. Whoever holds it works on it and on its process's
// patch, and wakes the next one, which waits in any way that there is: parked privately or by a memory object, on its bell,
// within a chain, with a time-out and cancelling or for ever.
//
// So there is always one wake that must not be lost: without it the ring stands still for good. What each has done is
// counted, so that a wake too many is seen, too; and the token's value is that of these threads working in this order.
//
// All of it lies in memory that the test and its crews see at one address, `commons`.
#pragma once

#include "support/crew.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace test {

enum class Medium : std::uint32_t { kShared, kBell, kChain, kPrivate };

// One address of a process where two memory objects take turns. The one that is mapped shows what was written there last:
// any other value was read through a translation that should have gone.
struct Patch {
    std::uint64_t address = 0;
    std::array<abi::CapSlot, 2> objects;  // in the process's table
    std::uint64_t mapped = 0;             // which of them
    std::array<std::uint64_t, 2> stamps{};
};

struct TokenRing;

struct alignas(64) Member {
    // Set before the start.
    TokenRing* ring = nullptr;
    Member* next = nullptr;
    Patch* patch = nullptr;
    std::uint64_t number = 0;
    std::uint64_t seed = 0;
    bool after_sibling = false;                // the one before is of the same process
    abi::CapSlot process, commons, next_bell;  // in the own table

    alignas(64) std::atomic<std::uint32_t> token{0};  // 1: it is here. What the thread parks on
    std::atomic<Medium> medium{Medium::kShared};      // how it waits, if it does

    // Its own counts. `unparked`: of the next one, by this one.
    alignas(64) std::atomic<std::uint64_t> waits{0}, parked{0}, unparked{0}, submitted{0}, completed{0},
        cancelled{0}, timeouts{0}, remapped{0}, error_line{0};
};

struct TokenRing {
    static constexpr std::uint64_t kMembers = 5;

    std::uint64_t commons = 0;  // address
    std::uint64_t leaving = 0;  // who holds the token: how many have left
    std::uint64_t value = 0;
    std::uint64_t left_out_from = 0;  // from this hop on, wakes are left out; 0: none is
    alignas(64) std::atomic<std::uint64_t> hops{0};
    alignas(64) std::atomic<bool> stop{false};
    std::array<Member, kMembers> members;
};

constexpr std::uint64_t worked_on(std::uint64_t value, std::uint64_t number) {
    const std::uint64_t mixed = (value ^ number) * 0x9e3779b97f4a7c15;
    return mixed ^ (mixed >> 29);
}

// A member's thread; `argument` is the Member. Ends with its number once the ring is stopped.
std::uint64_t hand_on(Station& station, cap::Ring& ring);

// The wake that a member's `medium` asks for, by somebody who holds these capabilities.
std::int64_t wake_member(Member& member, Medium medium, abi::CapSlot process, abi::CapSlot commons,
                         abi::CapSlot bell);

}  // namespace test
