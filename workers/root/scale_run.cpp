// SPDX-License-Identifier: MIT
#include "root/scale_run.hpp"

#include <bit>

namespace root {

cap::Result<void> take(const Context& context, const ScaleRun& run, Snapshot& snapshot) {
    for (std::uint32_t cpu = 0; cpu < run.cpus; ++cpu) {
        snapshot.cpus[cpu] = TRY(context.machine.cpu_stats(cpu));
    }
    for (std::uint64_t i = 0; i < run.process_count(); ++i) {
        snapshot.main_threads[i] = TRY(run.slots[i].child.thread.status());
    }
    return {};
}

cox::sieve::Account account_of(const ScaleRun& run, std::uint64_t worker) {
    if (run.threads) {
        return run.lines[worker]->account;
    }
    const cap::ThreadStatus& before = run.before.main_threads[worker];
    const cap::ThreadStatus& after = run.after.main_threads[worker];
    return {after.runtime_ns - before.runtime_ns, after.wakes - before.wakes, after.calls - before.calls,
            after.word.cpu(), run.slots[worker].exit_code};
}

abi::CpuStats difference(const abi::CpuStats& before, const abi::CpuStats& after) {
    using Counters = std::array<std::uint64_t, sizeof(abi::CpuStats) / sizeof(std::uint64_t)>;
    const auto old = std::bit_cast<Counters>(before);
    auto counters = std::bit_cast<Counters>(after);
    for (std::size_t i = 0; i < counters.size(); ++i) {
        counters[i] -= old[i];
    }
    return std::bit_cast<abi::CpuStats>(counters);
}

}  // namespace root
