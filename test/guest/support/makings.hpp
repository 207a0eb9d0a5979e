// SPDX-License-Identifier: MIT
//
// Everything that a process can make, or have made for it, and that its quota pays for. `made`: kOk, and it is dropped again.
#pragma once

#include "cap/endpoint.hpp"
#include "suite.hpp"
#include "support/doors.hpp"

namespace test {

inline constexpr std::uint64_t kSmallest = 64;  // of what is charged
inline constexpr std::uint64_t kFar =
    0x4000'0000 - 2 * abi::kPageSize;  // where page tables of two levels end

struct Making {
    std::string_view name;
    abi::Error (*make)(const Case&, const cap::Process&);
};

template <class T>
abi::Error made(const cap::Result<T>& slot) {
    if (slot) {
        slot->drop();
    }
    return error_of(slot);
}

// Frames that come at first use, and the tables that say where they are.
inline abi::Error made_and_pinned(const cap::Process& by, std::uint64_t pages) {
    const auto memory = by.create_memory_on_demand(pages);
    if (!memory) {
        return memory.error();
    }
    const abi::Error error = error_of(memory->pin(0, pages));
    memory->drop();
    return error;
}

// Of the test's own.
inline cap::Memory shared;  // two pages
inline cap::Notification bell;

inline constexpr Making kMakings[] = {
    {"process", [](const Case&, const cap::Process& by) { return made(by.create_process("made")); }},
    {"notification", [](const Case&, const cap::Process& by) { return made(by.create_notification()); }},
    {"quota", [](const Case&, const cap::Process& by) { return made(by.create_quota(3 * kSmallest, 1)); }},
    {"small_memory", [](const Case&, const cap::Process& by) { return made(by.create_memory(2)); }},
    {"listed_memory", [](const Case&, const cap::Process& by) { return made(by.create_memory(6)); }},
    {"memory_on_demand",
     [](const Case&, const cap::Process& by) { return made(by.create_memory_on_demand(6)); }},
    {"pinned", [](const Case&, const cap::Process& by) { return made_and_pinned(by, 6); }},
    {"endpoint", [](const Case&, const cap::Process& by) { return made(cap::Endpoint::create(by)); }},
    {"timer", [](const Case&, const cap::Process& by) { return made(by.create_timer(bell, 1)); }},
    {"thread",
     [](const Case&, const cap::Process& by) {
         abi::ThreadParams params{};
         params.ring_address = kFar;
         return made(by.create_thread(params));
     }},
    {"thread_in_place",
     [](const Case&, const cap::Process& by) {
         // The pages are mapped already, by then: what is left to refuse is the line.
         abi::ThreadParams params{};
         params.ring_address = kFar;
         const auto first = by.create_thread(params);
         if (!first) {
             return first.error();
         }
         params.ring_address |= abi::kRingInPlace;
         const auto second = made(by.create_thread(params));
         first->drop();
         return second == abi::Error::kOk ? abi::Error::kBadCall : abi::Error::kOk;  // one line was all
     }},
    {"mapping",
     [](const Case&, const cap::Process& by) {
         return error_of(by.map(shared, kFar + abi::kPageSize, 0, 2, abi::kRead));
     }},
    {"given", [](const Case& t,
                 const cap::Process& by) { return error_of(by.give(t.env.process.slot(), abi::kRead)); }},
};

}  // namespace test
