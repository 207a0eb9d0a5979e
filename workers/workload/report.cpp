// SPDX-License-Identifier: MIT
#include "workload/report.hpp"

namespace workload {

cap::Result<Report::Accounting> Report::accounting() const {
    Accounting sum;
    for (std::uint32_t cpu = 0; cpu < env_.info.cpu_count; ++cpu) {
        const abi::CpuStats stats = TRY(machine_.cpu_stats(cpu));
        sum.commits += stats.commits_accepted;
        sum.server_dispatches += stats.server_dispatches;
        sum.fallback_dispatches += stats.fallback_dispatches;
        sum.agent_dispatches += stats.agent_dispatches;
    }
    return sum;
}

cap::Result<void> Report::begin() {
    before_ = TRY(accounting());
    began_ = cap::read_tsc();
    return {};
}

cap::Result<void> Report::end(std::uint64_t operations) {
    ticks_ = cap::read_tsc() - began_;
    const Accounting after = TRY(accounting());
    used_ = {after.commits - before_.commits, after.server_dispatches - before_.server_dispatches,
             after.fallback_dispatches - before_.fallback_dispatches,
             after.agent_dispatches - before_.agent_dispatches};
    operations_ = operations;
    ended_ = true;
    return {};
}

void Report::series(std::string_view name, const Histogram& histogram) {
    struct Quantile {
        std::string_view name;
        std::uint64_t per_mille;
    };
    constexpr Quantile kQuantiles[] = {
        {"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}, {"max", 1000}};
    fields_.print(" {}_count={}", name, histogram.count());
    for (const Quantile& quantile : kQuantiles) {
        const std::uint64_t ticks = histogram.quantile(quantile.per_mille);
        fields_.print(" {}_{}_ns={} {}_{}_ticks={}", name, quantile.name, env_.clock.ns(ticks), name,
                      quantile.name, ticks);
    }
}

bool Report::write(std::string_view name, std::string_view size, std::uint64_t seed) {
    check(ended_, "it did not come to the end of its timed section");
    check(!fields_.truncated(), "its record is too long");
    const bool right = reason_.view().empty();
    const std::uint64_t ns = env_.clock.ns(ticks_);
    cap::LogLine line;
    line.print(
        "workload: name={} size={} seed={} cpus={} verified={} ns={} ticks={} operations={} "
        "per_second={} commits={} server_dispatches={} fallback_dispatches={} agent_dispatches={}{}",
        name, size, seed, env_.info.cpu_count, right ? "yes" : "no", ns, ticks_, operations_,
        ns != 0 ? operations_ * 1'000'000'000 / ns : 0, used_.commits, used_.server_dispatches,
        used_.fallback_dispatches, used_.agent_dispatches, fields_.view());
    if (!right) {
        line.print(" reason=\"{}\"", reason_.view());
    }
    env_.log.write(line.view());
    return right;
}

}  // namespace workload
