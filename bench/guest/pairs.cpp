// SPDX-License-Identifier: MIT
//
// Independent pairs, one on each CPU: a client and a server, two processes with an endpoint of their own, threads that the kernel places. All
// clients call at the same time; each call of any of them is an operation, and what is counted is what all CPUs did together. The program is its
// own clients and servers: they are started from its image with arguments.
#include "bench.hpp"
#include "child.hpp"

#include "cap/endpoint.hpp"

#include <array>
#include <string_view>

namespace {

namespace abi = cox::abi;
using abi::Op;

constexpr std::uint64_t kCalls = 4'000;
constexpr std::uint32_t kMaxPairs = 8;
constexpr std::string_view kServes = "serves";

struct Pair {
    cap::Endpoint endpoint;
    cap::Notification go;
    cap::Notification said;
};

bool call(cap::Endpoint endpoint, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        if (cap::cap_call(endpoint.slot(), Op::kCall, 0).result < 0) {
            return false;
        }
    }
    return true;
}

int serve(cap::Endpoint endpoint) {
    while (cap::cap_call(endpoint.slot(), Op::kReplyReceive, 0).result >= 0) {
    }
    return 1;
}

// Warms up, and says so; calls when it is told to, and says so.
cap::Result<void> call_when_told(const cap::Env& env, cap::Endpoint endpoint) {
    const auto go = env.find<cap::Notification>("go").value_or(cap::Notification());
    const auto said = env.find<cap::Notification>("said").value_or(cap::Notification());
    for (const std::uint64_t count : {kCalls / 8, kCalls}) {
        if (!call(endpoint, count)) {
            return cap::fail(abi::Error::kBadArgument);
        }
        TRY(said.signal(1));
        TRY(go.wait(env.ring));
    }
    return {};
}

cap::Result<void> start(const cap::Env& env, const Pair& pair, std::uint32_t cpu,
                        std::string_view arguments) {
    const auto image = TRY(bench::image_of(env, "bench/pairs"));
    const cap::GivenCap caps[] = {{"log", env.log.slot(), abi::kWrite},
                                  {"endpoint", pair.endpoint.slot(), abi::kRead | abi::kWrite},
                                  {"go", pair.go.slot(), abi::kRead},
                                  {"said", pair.said.slot(), abi::kWrite}};
    const auto child =
        TRY(cap::spawn(env, {.name = "pair", .image = image, .arguments = arguments, .caps = caps}));
    TRY(child.thread.set_affinity(std::uint64_t{1} << cpu));
    return child.thread.start();
}

cap::Result<void> run(const cap::Env& env) {
    const auto cpus = static_cast<std::uint32_t>(env.info.cpu_count);
    if (cpus > kMaxPairs) {
        return cap::fail(abi::Error::kBadArgument);
    }
    std::array<Pair, kMaxPairs> pairs;
    for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
        Pair& pair = pairs[cpu];
        pair = {TRY(cap::Endpoint::create(env.process)), TRY(env.process.create_notification()),
                TRY(env.process.create_notification())};
        TRY(start(env, pair, cpu, kServes));
        TRY(start(env, pair, cpu, ""));
        TRY(pair.said.wait(env.ring));
    }
    const std::uint64_t begin = cap::read_tsc();
    for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
        TRY(pairs[cpu].go.signal(1));
    }
    for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
        TRY(pairs[cpu].said.wait(env.ring));
    }
    env.log.print("bench: name=call_reply_on_{} operations={} ticks={}", cpus, cpus * kCalls,
                  cap::read_tsc() - begin);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) {
    if (const auto endpoint = env.find<cap::Endpoint>("endpoint")) {
        return env.arguments() == kServes ? serve(*endpoint) : call_when_told(env, *endpoint) ? 0 : 1;
    }
    const auto ended = run(env);
    if (!ended) {
        env.log.print("error: pairs: {}", ended.error());
    }
    if (const auto machine = env.find<cap::Machine>("machine")) {
        (void)machine->power_off(ended ? abi::ExitCode::kPass : abi::ExitCode::kFail);
    }
    return ended ? 0 : 1;
}
