// SPDX-License-Identifier: MIT
//
// Counts the primes in one share of a range: a worker that is a process.
//
// Arguments: index= (which share) and those of primes_worker.hpp. Capabilities: "ready", a notification that it
// signals when it is prepared; "go", one of its own that it waits on; "result", a memory object for its ResultLine.
// Exit codes: 0 done, 2 usage, 3 anything else.
#include "primes_worker.hpp"

namespace primes {
namespace {

constexpr std::uint32_t kReadyBits = 32;  // a bell, not a register: workers may share a bit

sieve::Sieve the_sieve;

cap::Result<void> work(const cap::Env& env, const Options& options, std::uint32_t index,
                       cap::Notification ready, cap::Notification go, cap::Memory memory) {
    sieve::ResultLine& line = *TRY(map_results(env, memory, 1));
    Worker worker(options, index, the_sieve, line);
    worker.prepare();
    line.state.store(sieve::WorkerState::kReady, std::memory_order_release);
    TRY(ready.signal(std::uint64_t{1} << index % kReadyBits));
    TRY(go.wait(env.ring));
    worker.work(env.thread, env.ring, [&] { return worker.count(); });
    return {};
}

}  // namespace
}  // namespace primes

int cap_main(const cap::Env& env) {
    const auto options = primes::parse_options(env, primes::kFaultNames);
    if (!options) {
        return primes::kExitUsage;
    }
    const cox::core::CommandLine arguments(env.arguments());
    const std::uint64_t index = primes::number_or(arguments, "index", options->workers);
    if (index >= options->workers) {
        env.log.write("error: worker: needs index= below workers=");
        return primes::kExitUsage;
    }
    const auto ready = env.find<cap::Notification>("ready");
    const auto go = env.find<cap::Notification>("go");
    const auto memory = env.find<cap::Memory>("result");
    if (!ready || !go || !memory) {
        env.log.write("error: worker: needs the capabilities ready, go and result");
        return primes::kExitUsage;
    }
    const auto worked = primes::work(env, *options, static_cast<std::uint32_t>(index), *ready, *go, *memory);
    if (!worked) {
        env.log.print("error: worker {}: {}", index, worked.error());
        return primes::kExitFailed;
    }
    return 0;
}
