// SPDX-License-Identifier: MIT
#include "root/report.hpp"

namespace root {

namespace {

using cox::sieve::Tally;
using cox::sieve::WorkerState;

// Thousandths as a decimal fraction; the formatter has integers only.
struct Milli {
    cap::LineBuffer<32> text;

    explicit Milli(std::uint64_t milli) {
        text.print("{}.{}{}{}", milli / 1000, milli / 100 % 10, milli / 10 % 10, milli % 10);
    }
};

class Reporter {
public:
    Reporter(const Context& context, ScaleRun& run) : context_(context), log_(context.env.log), run_(run) {}

    void add_workers() {
        for (std::uint64_t i = 0; i < run_.workers; ++i) {
            const cox::sieve::ResultLine& line = *run_.lines[i];
            const std::int64_t process_code = run_.process_of(i).exit_code;
            const std::int64_t code = process_code != 0 ? process_code : account_of(run_, i).exit_code;
            // Pairs with the worker's release.
            if (line.state.load(std::memory_order_acquire) != WorkerState::kDone || code != 0) {
                complain("worker {} ended with code {} and without a valid result", i, code);
                continue;
            }
            add_worker(i, line);
        }
    }

    void add_cpus() {
        for (std::uint32_t i = 0; i < run_.cpus; ++i) {
            const abi::CpuStats cpu = difference(run_.before.cpus[i], run_.after.cpus[i]);
            log_.print(
                "cpu: index={} server_dispatches={} fallback_dispatches={} system_dispatches={} "
                "agent_dispatches={} commits={} commits_refused={} timer_interrupts={} domain_ticks={} "
                "system_ticks={} idle_ticks={} shootdowns={} shootdown_ipis={} shootdown_ipis_avoided={} "
                "shootdowns_served={}",
                i, cpu.server_dispatches, cpu.fallback_dispatches, cpu.system_dispatches,
                cpu.agent_dispatches, cpu.commits_accepted, cpu.commits_refused, cpu.timer_interrupts,
                cpu.domain_ticks, cpu.system_ticks, cpu.idle_ticks, cpu.shootdowns, cpu.shootdown_ipis,
                cpu.shootdown_ipis_avoided, cpu.shootdowns_served);
            commits_ += cpu.commits_accepted;
            fallback_dispatches_ += cpu.fallback_dispatches;
        }
    }

    bool conclude() {
        const cox::sieve::Known& known = run_.known;
        if (const auto fault = fault_in(known, total_); !fault.empty() && reason_.view().empty()) {
            reason_.append(fault);
        }
        const bool right = reason_.view().empty();
        const manifest::Run& asked = context_.manifest.run;
        const auto workers = static_cast<std::uint32_t>(run_.workers);
        const Milli ideal(cox::sieve::ideal_speedup_milli(known.range, workers));
        const Milli overlap(overlap_milli(run_.worker_times()));
        cap::LogLine line;
        line.print(
            "result: target={} workers={} cpus={} policy={} server={} size={} count={} "
            "expected={} "
            "checksum=0x{:x} ideal={} ticks={} ns={} commits={} fallback_dispatches={} overlap={} verdict={}",
            run_.threads ? "thread-scale" : "smp-process-scale", workers, run_.cpus,
            context_.manifest.server.policy, asked.server ? "on" : "off", known.name, total_.count,
            known.tally.count, total_.checksum, ideal.text.view(), last_end_, section_ns(run_.worker_times()),
            commits_, fallback_dispatches_, overlap.text.view(), right ? "ok" : "wrong");
        if (!right) {
            line.print(" reason=\"{}\"", reason_.view());
        }
        log_.write(line.view());
        return right;
    }

private:
    void add_worker(std::uint64_t i, const cox::sieve::ResultLine& from) {
        const std::uint64_t start = from.start - run_.release;
        const std::uint64_t end = from.end - run_.release;
        const cox::sieve::Account account = account_of(run_, i);
        cap::LogLine line;
        line.print("worker: index={} count={} checksum=0x{:x} start={} end={} runtime_ns={} cpu={} wakes={}",
                   i, from.tally.count, from.tally.checksum, start, end, account.runtime_ns, account.cpu,
                   account.wakes);
        if (run_.threads) {
            line.print(" calls={}", account.calls);
        }
        log_.write(line.view());
        if (from.end < from.start || from.start < run_.release) {
            complain("worker {} has times that cannot be", i);
            return;
        }
        const cap::Clock& clock = context_.env.clock;
        run_.times[i] = {clock.ns(start), clock.ns(end), account.runtime_ns};
        last_end_ = std::max(last_end_, end);
        total_ += from.tally;
    }

    // The first complaint is the result's reason.
    template <class... Args>
    void complain(cap::FormatString<std::type_identity_t<Args>...> text, const Args&... args) {
        if (reason_.view().empty()) {
            reason_.print(text, args...);
        }
    }

    const Context& context_;
    const cap::Log& log_;
    ScaleRun& run_;
    Tally total_;
    std::uint64_t last_end_ = 0;
    std::uint64_t commits_ = 0;
    std::uint64_t fallback_dispatches_ = 0;
    cap::LineBuffer<160> reason_;
};

}  // namespace

bool report(const Context& context, ScaleRun& run) {
    Reporter reporter(context, run);
    reporter.add_workers();
    reporter.add_cpus();
    return reporter.conclude();
}

}  // namespace root
