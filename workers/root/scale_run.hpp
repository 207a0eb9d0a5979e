// SPDX-License-Identifier: MIT
//
// The numbers of one scaling run, as they are gathered: kernel accounting before and after the timed section,
// and what the workers left. Report writes them down (report.hpp).
#pragma once

#include "cap/machine.hpp"
#include "cap/spawn.hpp"
#include "root/context.hpp"
#include "root/scale_math.hpp"
#include "sieve/known.hpp"
#include "sieve/result_page.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace root {

struct WorkerSlot {
    cap::Spawned child;
    const cox::sieve::ResultPage* page = nullptr;
    abi::CapSlot go;
    bool exited = false;
    std::int64_t exit_code = 0;
};

struct Snapshot {
    std::array<abi::CpuStats, abi::kMaxCpus> cpus{};
    std::array<cap::ThreadStatus, manifest::kMaxInstances> workers{};
};

struct ScaleRun {
    cox::sieve::Known known{};
    std::uint64_t workers = 0;
    std::uint64_t cpus = 0;
    std::uint64_t release = 0;  // TSC right before the common release
    Snapshot before;
    Snapshot after;
    std::array<WorkerSlot, manifest::kMaxInstances> slots;
    std::array<WorkerTimes, manifest::kMaxInstances> times{};

    [[nodiscard]] std::span<const WorkerSlot> worker_slots() const { return std::span(slots).first(workers); }
    [[nodiscard]] std::span<const WorkerTimes> worker_times() const {
        return std::span(times).first(workers);
    }
};

// Reads the accounting of all CPUs and workers.
[[nodiscard]] cap::Result<void> take(const Context& context, const ScaleRun& run, Snapshot& snapshot);

// After minus before, counter by counter.
[[nodiscard]] abi::CpuStats difference(const abi::CpuStats& before, const abi::CpuStats& after);

}  // namespace root
