// SPDX-License-Identifier: MIT
//
// The event ring of an agent, mapped at an address, for core/event_consumer.hpp. docs/scheduling.md is the protocol.
#pragma once

#include "abi/sched.hpp"
#include "core/event_consumer.hpp"

#include <atomic>
#include <bit>
#include <cstdint>

namespace cap {

inline constexpr cox::core::EventRingShape kEventShape{.capacity_log2 =
                                                           std::countr_zero(cox::abi::kEventEntries)};

// They begin behind the page of the header.
struct EventEntries {
    std::uint64_t address = 0;  // of the ring
    std::atomic<std::uint64_t>& operator()(std::uint64_t index) const {
        return reinterpret_cast<std::atomic<std::uint64_t>*>(address + cox::abi::kPageSize)[index];
    }
};

using EventConsumer = cox::core::EventRingConsumer<EventEntries, kEventShape>;

}  // namespace cap
