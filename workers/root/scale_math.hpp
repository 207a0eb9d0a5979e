// SPDX-License-Identifier: MIT
//
// What a scaling run's raw numbers amount to. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace root {

// Of one worker, in ns after the common release; runtime is the kernel's accounting of its time on a CPU.
struct WorkerTimes {
    std::uint64_t start_ns;
    std::uint64_t end_ns;
    std::uint64_t runtime_ns;
};

// From the release to the last finish.
[[nodiscard]] constexpr std::uint64_t section_ns(std::span<const WorkerTimes> workers) {
    std::uint64_t last = 0;
    for (const WorkerTimes& worker : workers) {
        last = std::max(last, worker.end_ns);
    }
    return last;
}

// A lower bound, in thousandths, on the share of the section in which all W workers ran at once: if they
// spend all but x of W sections on their CPUs, then at least 1 - x of the section saw all of them there. A
// worker's time after its finish (its way out) is not of the section, so no more than its finish counts.
[[nodiscard]] constexpr std::uint64_t overlap_milli(std::span<const WorkerTimes> workers) {
    const std::uint64_t section = section_ns(workers);
    if (section == 0) {
        return 0;
    }
    std::uint64_t on_cpus = 0;
    for (const WorkerTimes& worker : workers) {
        on_cpus += std::min(worker.runtime_ns, worker.end_ns);
    }
    const std::uint64_t sections = on_cpus * 1000 / section;
    const std::uint64_t others = (workers.size() - 1) * 1000;
    return sections > others ? std::min<std::uint64_t>(sections - others, 1000) : 0;
}

}  // namespace root
