// SPDX-License-Identifier: MIT
//
// IdleWatch: how many threads are enqueued that each CPU may run, and since when a CPU has had none placed while there
// was one. The policy promises (may_idle_ns) for how long at most.
#pragma once

#include "cpu_levels.hpp"
#include "scenario.hpp"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sim {

class IdleWatch {
public:
    struct Idler {
        std::uint32_t cpu;
        std::uint64_t since_ns;
    };

    // The number by which enqueued() and dequeued() know a set of CPUs.
    std::uint32_t number_of(std::uint64_t affinity) {
        for (std::uint32_t number = 0; number < masks_.size(); ++number) {
            if (masks_[number].affinity == affinity) {
                return number;
            }
        }
        masks_.push_back({affinity, 0});
        return static_cast<std::uint32_t>(masks_.size() - 1);
    }
    void enqueued(std::uint32_t mask) {
        ++masks_[mask].count;
        ++enqueued_;
        anywhere_ |= masks_[mask].affinity;
    }
    void dequeued(std::uint32_t mask) {
        --masks_[mask].count;
        if (--enqueued_ == 0) {
            anywhere_ = 0;
        }
    }
    // Whether one of those enqueued since there were none may run on the CPU.
    [[nodiscard]] bool asks_for(std::uint32_t cpu) const {
        return cpu < 64 ? (anywhere_ >> cpu & 1) != 0 : anywhere_ == ~std::uint64_t{0};
    }
    [[nodiscard]] std::uint64_t enqueued() const { return enqueued_; }

    // At the end of an activation. A CPU counts as idle from the first of these on.
    void look(const CpuLevels& load, std::uint64_t now_ns) {
        previous_.swap(idlers_);
        idlers_.clear();
        if (enqueued_ == 0) {
            return;
        }
        auto known = previous_.begin();
        load.below(1).for_each(0, [&](std::uint32_t cpu) {
            if (waits_for(cpu)) {
                while (known != previous_.end() && known->cpu < cpu) {
                    ++known;
                }
                const bool was = known != previous_.end() && known->cpu == cpu;
                idlers_.push_back({cpu, was ? known->since_ns : now_ns});
            }
            return true;
        });
    }
    // One that has idled for longer than that, and for which breaks_promise(idler) holds.
    template <class Breaks>
    [[nodiscard]] std::optional<Idler> longer_than(std::uint64_t ns, std::uint64_t now_ns,
                                                   Breaks breaks_promise) const {
        for (const Idler& idler : idlers_) {
            if (now_ns - idler.since_ns > ns && breaks_promise(idler)) {
                return idler;
            }
        }
        return std::nullopt;
    }

private:
    struct Mask {
        std::uint64_t affinity;
        std::uint64_t count;
    };

    [[nodiscard]] bool waits_for(std::uint32_t cpu) const {
        for (const Mask& mask : masks_) {
            if (mask.count != 0 &&
                (cpu < 64 ? (mask.affinity >> cpu & 1) != 0 : mask.affinity == kAnywhere)) {
                return true;
            }
        }
        return false;
    }

    std::vector<Mask> masks_;
    std::uint64_t enqueued_ = 0;
    std::uint64_t anywhere_ = 0;
    std::vector<Idler> idlers_, previous_;  // by CPU
};

}  // namespace sim
