// SPDX-License-Identifier: MIT
//
// A worker of a scaling run: what it prepares, its timed section, and its result. The same for a process and for a thread;
// who makes the worker, and how it is released, is its program's business.
//
// In the timed section it makes no call and shares nothing with anyone.
#pragma once

#include "cap/env.hpp"
#include "core/command_line.hpp"
#include "primes_fault.hpp"
#include "sieve/known.hpp"
#include "sieve/result_page.hpp"
#include "sieve/sieve.hpp"
#include "sieve/spoiler.hpp"

namespace primes {

using namespace cox;

constexpr std::uint64_t kExitUsage = 2;
constexpr std::uint64_t kExitFailed = 3;
constexpr std::uint64_t kExitAbsent = 9;

// Of the whole crew.
struct Options {
    std::uint32_t workers = 0;
    std::uint64_t seed = 0;
    sieve::Known known{};
    Fault fault = Fault::kNone;
};

inline std::uint64_t number_or(const core::CommandLine& line, std::string_view key, std::uint64_t otherwise) {
    const auto text = line.find(key);
    return text ? core::parse_u64(*text).value_or(otherwise) : otherwise;
}

// workers=, size= (sieve/known.hpp), seed=, fault= (one of `faults`). Has said what is wrong when there is none.
inline std::optional<Options> parse_options(const cap::Env& env, std::string_view faults) {
    const core::CommandLine line(env.arguments());
    const std::uint64_t workers = number_or(line, "workers", 0);
    if (workers == 0 || workers > sieve::kMaxWorkers) {
        env.log.print("error: worker: needs workers=, which is at most {}", sieve::kMaxWorkers);
        return std::nullopt;
    }
    const auto known = sieve::find_known(line.find("size").value_or("default"));
    if (!known) {
        env.log.print("error: worker: size \"{}\" unknown; known: {}", *line.find("size"),
                      sieve::kKnownNames);
        return std::nullopt;
    }
    const auto fault = parse_fault(line.find("fault").value_or("none"), faults);
    if (!fault) {
        env.log.print("error: worker: fault \"{}\" unknown; known: {}", *line.find("fault"), faults);
        return std::nullopt;
    }
    return Options{static_cast<std::uint32_t>(workers), number_or(line, "seed", 0), *known, *fault};
}

class Worker {
public:
    Worker(const Options& options, std::uint32_t index, sieve::Sieve& sieve, sieve::ResultLine& line)
        : sieve_(sieve),
          line_(line),
          index_(index),
          workers_(options.workers),
          fault_(index == 0 || concerns_all(options.fault) ? options.fault : Fault::kNone) {
        const std::uint32_t shares = fault_ == Fault::kGreedy ? 1 : workers_;
        share_ = shares == 1 ? 0 : sieve::share_of(index, shares, options.seed);
        plan_ = sieve::Plan(options.known.range, shares);
    }

    void prepare() {
        sieve_.prepare(plan_, share_);
        if (fault_ == Fault::kBrokenSieve) {
            sieve::SieveSpoiler::displace(sieve_, 100);
        } else if (fault_ == Fault::kAbsent) {
            cap::thread_exit(kExitAbsent);
        }
    }

    // The timed section, on the worker's own thread, and the result. `count` is count(), or something worse.
    template <class Count>
    void work(cap::Thread self, cap::Ring& ring, Count count) {
        const std::uint64_t start = cap::read_tsc();
        if (fault_ != Fault::kNone) [[unlikely]] {
            misbehave(self, ring);
        }
        sieve::Tally tally = count();
        if (fault_ == Fault::kTurns) [[unlikely]] {
            sleep(ring, (workers_ - 1 - index_) * kTurnNs);
        }
        const std::uint64_t end = cap::read_tsc();

        tally.count += fault_ == Fault::kWrongCount ? 1 : 0;
        line_.start = start;
        line_.end = end;
        line_.tally = tally;
        line_.state.store(sieve::WorkerState::kDone, std::memory_order_release);
    }

    [[nodiscard]] sieve::Tally count() {
        const bool lazy = fault_ == Fault::kGreedy && index_ != 0;
        return lazy ? sieve::Tally() : sieve_.run();
    }

private:
    static void sleep(cap::Ring& ring, std::uint64_t ns) { (void)ring.submit_and_wait(1, ns); }

    // What a fault does instead of, or before, the work.
    void misbehave(cap::Thread self, cap::Ring& ring) const {
        switch (fault_) {
            case Fault::kIdle: sleep(ring, kIdleNs); break;
            case Fault::kTurns:  // each on a CPU of its own, so that the turns are all that is wrong
                (void)self.set_affinity(std::uint64_t{1} << index_);
                sleep(ring, index_ * kTurnNs);
                break;
            case Fault::kCrash: (void)*reinterpret_cast<const volatile std::uint8_t*>(0); break;
            case Fault::kSilent: cap::thread_exit(0);
            case Fault::kHang:
                for (;;) {
                    asm volatile("");
                }
            default: break;
        }
    }

    sieve::Sieve& sieve_;
    sieve::ResultLine& line_;
    std::uint32_t index_;
    std::uint32_t workers_;
    std::uint32_t share_ = 0;
    Fault fault_;
    sieve::Plan plan_{{0, 1}, 1};
};

// Maps the memory that the results go to.
inline cap::Result<sieve::ResultLine*> map_results(const cap::Env& env, cap::Memory memory,
                                                   std::uint64_t pages) {
    const std::uint64_t address = TRY(env.space.reserve(pages));
    TRY(env.process.map(memory, address, 0, pages, abi::kRead | abi::kWrite));
    return reinterpret_cast<sieve::ResultLine*>(address);
}

}  // namespace primes
