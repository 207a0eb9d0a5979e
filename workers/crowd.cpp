// SPDX-License-Identifier: MIT
//
// rounds=N: in each round a crowd of threads adds up parts of a sum whose value is known, each in a variable of its
// own and in one of the crowd's, and is joined. Ends with 7 if every sum was right.
#include "cap/env.hpp"
#include "cap/joining_thread.hpp"
#include "core/command_line.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace {

constexpr int kExitRight = 7;
constexpr std::uint64_t kThreads = 12;
constexpr std::uint64_t kPart = 10'000;  // numbers that each adds up

thread_local std::uint64_t own_sum;

std::uint64_t add_up(std::uint64_t first) {
    for (std::uint64_t number = first; number < first + kPart; ++number) {
        own_sum += number;
        asm volatile("" : : : "memory");  // number by number
    }
    return own_sum;
}

// -> what the threads' exit codes say, or 0 if something is wrong.
std::uint64_t round(const cap::Env& env) {
    std::atomic<std::uint64_t> together{0};
    std::uint64_t sum = 0;
    std::array<cap::JoiningThread, kThreads> threads;
    for (std::uint64_t i = 0; i < kThreads; ++i) {
        auto thread = cap::JoiningThread::start(env, [i, &together] {
            const std::uint64_t part = add_up(i * kPart);
            together += part;
            return part;
        });
        if (!thread) {
            return 0;
        }
        threads[i] = std::move(*thread);
    }
    for (cap::JoiningThread& thread : threads) {
        sum += thread.join(env.ring).value_or(0);
    }
    return sum == together && own_sum == 0 ? sum : 0;
}

}  // namespace

int cap_main(const cap::Env& env) {
    constexpr std::uint64_t kAll = kThreads * kPart;
    const auto rounds =
        cox::core::parse_u64(cox::core::CommandLine(env.arguments()).find("rounds").value_or("1"))
            .value_or(1);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        if (const std::uint64_t sum = round(env); sum != kAll * (kAll - 1) / 2) {
            env.log.print("crowd: round {}: sum {} should be {}", i, sum, kAll * (kAll - 1) / 2);
            return 1;
        }
    }
    env.log.print("crowd: threads={} sum={}", rounds * kThreads, kAll * (kAll - 1) / 2);
    return kExitRight;
}
