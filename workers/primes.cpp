// SPDX-License-Identifier: MIT
//
// Counts the primes in one share of a range.
//
// Arguments: index= and workers= (which share, of how many), size= (sieve/known.hpp), seed=, fault=
// (primes_fault.hpp). Capabilities: "ready", a notification that it signals when it is prepared; "go", one of
// its own that it waits on; "result", a memory object for its ResultPage. Exit codes: 0 done, 2 usage, 3
// anything else.
//
// Between the wake and the last look at the TSC it makes no call and shares nothing with anyone.
#include "cap/env.hpp"
#include "core/command_line.hpp"
#include "primes_fault.hpp"
#include "sieve/known.hpp"
#include "sieve/result_page.hpp"
#include "sieve/sieve.hpp"
#include "sieve/spoiler.hpp"

namespace primes {
namespace {

using namespace cox;

constexpr std::uint64_t kExitUsage = 2;
constexpr std::uint64_t kExitFailed = 3;
constexpr std::uint64_t kExitAbsent = 9;
constexpr std::uint32_t kReadyBits = 32;  // a bell, not a register: workers may share a bit

struct Options {
    std::uint32_t index = 0;
    std::uint32_t workers = 0;
    std::uint64_t seed = 0;
    sieve::Known known{};
    Fault fault = Fault::kNone;
};

sieve::Sieve the_sieve;

std::uint64_t number_or(const core::CommandLine& line, std::string_view key, std::uint64_t otherwise) {
    const auto text = line.find(key);
    return text ? core::parse_u64(*text).value_or(otherwise) : otherwise;
}

std::optional<Options> parse_options(const cap::Env& env) {
    const core::CommandLine line(env.arguments());
    const std::uint64_t workers = number_or(line, "workers", 0);
    const std::uint64_t index = number_or(line, "index", workers);
    if (workers == 0 || workers > sieve::kMaxWorkers || index >= workers) {
        env.log.print("error: worker: needs index= below workers=, which is at most {}", sieve::kMaxWorkers);
        return std::nullopt;
    }
    const auto known = sieve::find_known(line.find("size").value_or("default"));
    if (!known) {
        env.log.print("error: worker: size \"{}\" unknown; known: {}", *line.find("size"),
                      sieve::kKnownNames);
        return std::nullopt;
    }
    const auto fault = parse_fault(line.find("fault").value_or("none"));
    if (!fault) {
        env.log.print("error: worker: fault \"{}\" unknown; known: {}", *line.find("fault"), kFaultNames);
        return std::nullopt;
    }
    return Options{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(workers),
                   number_or(line, "seed", 0), *known,
                   index == 0 || concerns_all(*fault) ? *fault : Fault::kNone};
}

void sleep(const cap::Env& env, std::uint64_t ns) { (void)env.ring.submit_and_wait(1, ns); }

// What a fault does instead of, or before, the work.
void misbehave(const cap::Env& env, const Options& options) {
    switch (options.fault) {
        case Fault::kIdle: sleep(env, kIdleNs); break;
        case Fault::kTurns:  // each on a CPU of its own, so that the turns are all that is wrong
            (void)env.thread.set_affinity(std::uint64_t{1} << options.index);
            sleep(env, options.index * kTurnNs);
            break;
        case Fault::kCrash: (void)*reinterpret_cast<const volatile std::uint8_t*>(0); break;
        case Fault::kSilent: env.exit(0);
        case Fault::kHang:
            for (;;) {
                asm volatile("");
            }
        default: break;
    }
}

cap::Result<void> work(const cap::Env& env, const Options& options, cap::Notification ready,
                       cap::Notification go, cap::Memory memory) {
    const std::uint64_t address = TRY(env.space.reserve(1));
    TRY(env.process.map(memory, address, 0, 1, abi::kRead | abi::kWrite));
    auto& page = *reinterpret_cast<sieve::ResultPage*>(address);

    const std::uint32_t shares = options.fault == Fault::kGreedy ? 1 : options.workers;
    const std::uint32_t share = shares == 1 ? 0 : sieve::share_of(options.index, shares, options.seed);
    the_sieve.prepare(sieve::Plan(options.known.range, shares), share);
    if (options.fault == Fault::kBrokenSieve) {
        sieve::SieveSpoiler::displace(the_sieve, 100);
    } else if (options.fault == Fault::kAbsent) {
        env.exit(kExitAbsent);
    }
    page.state.store(sieve::WorkerState::kReady, std::memory_order_release);
    TRY(ready.signal(std::uint64_t{1} << options.index % kReadyBits));
    TRY(go.wait(env.ring));

    const std::uint64_t start = cap::read_tsc();
    if (options.fault != Fault::kNone) [[unlikely]] {
        misbehave(env, options);
    }
    const bool lazy = options.fault == Fault::kGreedy && options.index != 0;
    sieve::Tally tally = lazy ? sieve::Tally() : the_sieve.run();
    if (options.fault == Fault::kTurns) [[unlikely]] {
        sleep(env, (options.workers - 1 - options.index) * kTurnNs);
    }
    const std::uint64_t end = cap::read_tsc();

    tally.count += options.fault == Fault::kWrongCount ? 1 : 0;
    page.start = start;
    page.end = end;
    page.tally = tally;
    page.state.store(sieve::WorkerState::kDone, std::memory_order_release);
    return {};
}

}  // namespace
}  // namespace primes

int cap_main(const cap::Env& env) {
    const auto options = primes::parse_options(env);
    if (!options) {
        return primes::kExitUsage;
    }
    const auto ready = env.find<cap::Notification>("ready");
    const auto go = env.find<cap::Notification>("go");
    const auto memory = env.find<cap::Memory>("result");
    if (!ready || !go || !memory) {
        env.log.write("error: worker: needs the capabilities ready, go and result");
        return primes::kExitUsage;
    }
    if (const auto worked = primes::work(env, *options, *ready, *go, *memory); !worked) {
        env.log.print("error: worker {}: {}", options->index, worked.error());
        return primes::kExitFailed;
    }
    return 0;
}
