// SPDX-License-Identifier: MIT
//
// Topology: which CPUs share a core, a last-level cache, a node, as the status table says it (docs/scheduling.md). It
// never changes, so it is read once, when the table has been mapped.
#pragma once

#include "abi/sched.hpp"

#include <array>
#include <cstdint>

namespace cap {

namespace abi = cox::abi;

class Topology {
public:
    struct Place {
        std::uint32_t core = 0, cache = 0, node = 0;
        friend constexpr bool operator==(Place, Place) = default;
    };

    // `table`: kStatusLines lines; `cpus`: how many CPUs there are, at most kMaxCpus.
    Topology(const abi::StatusLine* table, std::uint32_t cpus) : count_(cpus) {
        for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
            const abi::TopologyWord word{table[abi::kMaxThreads + cpu].label.load(std::memory_order_relaxed)};
            places_[cpu] = {word.core(), word.cache(), word.node()};
        }
    }

    [[nodiscard]] std::uint32_t cpus() const { return count_; }
    [[nodiscard]] Place of(std::uint32_t cpu) const { return places_[cpu]; }

    // The CPUs that share it with `cpu`, itself among them, as a mask.
    [[nodiscard]] std::uint64_t core_mask(std::uint32_t cpu) const { return mask(cpu, &Place::core); }
    [[nodiscard]] std::uint64_t cache_mask(std::uint32_t cpu) const { return mask(cpu, &Place::cache); }
    [[nodiscard]] std::uint64_t node_mask(std::uint32_t cpu) const { return mask(cpu, &Place::node); }

private:
    [[nodiscard]] std::uint64_t mask(std::uint32_t cpu, std::uint32_t Place::* level) const {
        std::uint64_t found = 0;
        for (std::uint32_t other = 0; other < count_; ++other) {
            found |= std::uint64_t{places_[other].*level == places_[cpu].*level} << other;
        }
        return found;
    }

    std::uint32_t count_;
    std::array<Place, abi::kMaxCpus> places_{};
};

}  // namespace cap
