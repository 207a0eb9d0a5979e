// SPDX-License-Identifier: MIT
//
// Starts four threads with the labels 2, 4, 1, 3 on one CPU, and looks in which order they run.
// Exit code: 0 if that was by label, the highest first; 1 if it was another order; 2 if something else went wrong.
// So it passes under the policy by_label, and fails under one that goes by time.
#include "cap/env.hpp"
#include "cap/joining_thread.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace {

constexpr std::array<std::uint64_t, 4> kLabels = {2, 4, 1, 3};
constexpr std::array<std::uint64_t, 4> kRight = {4, 3, 2, 1};
constexpr std::uint64_t kCpu = 0;

std::array<std::uint64_t, kLabels.size()> order;  // of labels, as their threads came to run
std::atomic<std::size_t> ran{0};

// No thread is preempted under by_label, so that all are runnable before the main thread waits for the first.
cap::Result<void> run_threads(const cap::Env& env) {
    std::array<cap::JoiningThread, kLabels.size()> threads;
    for (std::size_t i = 0; i < kLabels.size(); ++i) {
        const std::uint64_t label = kLabels[i];
        const cap::ThreadOptions options{
            .affinity = std::uint64_t{1} << kCpu, .label = label, .first_cpu = kCpu};
        threads[i] = TRY(cap::JoiningThread::start(env, [label] { order[ran++] = label; }, options));
    }
    for (cap::JoiningThread& thread : threads) {
        TRY(thread.join(env.ring));
    }
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) {
    if (const auto result = run_threads(env); !result) {
        env.log.print("label_order: {}", result.error());
        return 2;
    }
    env.log.print("label_order: labels ran in the order {} {} {} {}", order[0], order[1], order[2], order[3]);
    return order == kRight ? 0 : 1;
}
