// SPDX-License-Identifier: MIT
//
// The event ring of an agent, mapped at an address, as EventRingConsumer wants it.
#pragma once

#include "abi/sched.hpp"
#include "core/event_consumer.hpp"

#include <atomic>
#include <bit>
#include <cstdint>

namespace bench {

namespace abi = cox::abi;

inline constexpr cox::core::EventRingShape kShape{.capacity_log2 = std::countr_zero(abi::kEventEntries)};

struct EventEntries {
    std::uint64_t address;
    std::atomic<std::uint64_t>& operator()(std::uint64_t index) const {
        return reinterpret_cast<std::atomic<std::uint64_t>*>(address + abi::kPageSize)[index];
    }
};

}  // namespace bench
