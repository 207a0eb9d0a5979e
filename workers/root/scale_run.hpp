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

struct ProcessSlot {
    cap::Spawned child;
    abi::CapSlot go;
    bool exited = false;
    std::int64_t exit_code = 0;
};

struct Snapshot {
    std::array<abi::CpuStats, abi::kMaxCpus> cpus{};
    std::array<cap::ThreadStatus, manifest::kMaxInstances> main_threads{};
};

struct ScaleRun {
    cox::sieve::Known known{};
    bool threads = false;  // the workers are threads of one process; else each is a process
    std::uint64_t workers = 0;
    std::uint64_t cpus = 0;
    std::uint64_t release = 0;  // TSC right before the common release
    Snapshot before;
    Snapshot after;
    std::array<ProcessSlot, manifest::kMaxInstances> slots;
    std::array<const cox::sieve::ResultLine*, manifest::kMaxInstances> lines{};  // one for each worker
    std::array<WorkerTimes, manifest::kMaxInstances> times{};

    [[nodiscard]] std::uint64_t process_count() const { return threads ? 1 : workers; }
    [[nodiscard]] std::span<const ProcessSlot> processes() const {
        return std::span(slots).first(process_count());
    }
    [[nodiscard]] const ProcessSlot& process_of(std::uint64_t worker) const {
        return slots[threads ? 0 : worker];
    }
    [[nodiscard]] std::span<const cox::sieve::ResultLine* const> worker_lines() const {
        return std::span(lines).first(workers);
    }
    [[nodiscard]] std::span<const WorkerTimes> worker_times() const {
        return std::span(times).first(workers);
    }
};

// Reads the accounting of all CPUs, and of the main thread of every process.
[[nodiscard]] cap::Result<void> take(const Context& context, const ScaleRun& run, Snapshot& snapshot);

// Of the timed section. A worker that is a main thread was seen from here, other threads by their own process.
[[nodiscard]] cox::sieve::Account account_of(const ScaleRun& run, std::uint64_t worker);

// After minus before, counter by counter.
[[nodiscard]] abi::CpuStats difference(const abi::CpuStats& before, const abi::CpuStats& after);

}  // namespace root
