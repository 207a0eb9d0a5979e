// SPDX-License-Identifier: MIT
//
// thread_local variables: each thread has its own, with their first values, wherever it runs.
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/sibling.hpp"

#include <algorithm>
#include <array>
#include <atomic>

namespace {

using namespace test;

struct Made {
    Made() : here(reinterpret_cast<std::uint64_t>(this)) {}
    std::uint64_t here;
};

thread_local std::uint64_t counted = 40;
thread_local std::uint64_t cleared;
thread_local std::array<std::uint8_t, 3> odd{1, 2, 3};
alignas(64) thread_local std::uint64_t aligned = 5;
thread_local Made made;

bool fresh() {
    return counted == 40 && cleared == 0 && odd == std::array<std::uint8_t, 3>{1, 2, 3} && aligned == 5 &&
           reinterpret_cast<std::uint64_t>(&aligned) % 64 == 0 &&
           made.here == reinterpret_cast<std::uint64_t>(&made);
}

void of_the_main_thread(Case& t) {
    REQUIRE(t, fresh());
    REQUIRE(t, &cap::this_ring() == &t.env.ring);
    auto other = MUST(t, cap::JoiningThread::start(t.env, [main = &counted] {
                          const bool mine = fresh() && &counted != main;
                          counted = cleared = aligned = 1;
                          odd[2] = 9;
                          return mine;
                      }));
    REQUIRE_EQUAL(t, MUST(t, other.join(t.env.ring)), 1u);
    REQUIRE(t, fresh());
    // The memory of the one before, as if nothing had been.
    auto next = MUST(t, cap::JoiningThread::start(t.env, fresh));
    REQUIRE_EQUAL(t, MUST(t, next.join(t.env.ring)), 1u);
}

// Four threads take turns, and are moved between the CPUs.
void across_migrations(Case& t) {
    constexpr std::uint64_t kThreads = 4;
    std::atomic<bool> stop{false};
    std::array<std::atomic<std::uint64_t>, kThreads> rounds{};
    std::array<cap::JoiningThread, kThreads> threads;
    for (std::uint64_t i = 0; i < kThreads; ++i) {
        threads[i] = MUST(t, cap::JoiningThread::start(t.env, [i, &stop, &rounds](cap::Ring& ring) {
                              bool right = fresh();
                              counted = i;
                              while (!stop) {
                                  ++counted;
                                  cleared = cleared + i;
                                  right = right && &cap::this_ring() == &ring && cleared == (counted - i) * i;
                                  ++rounds[i];
                              }
                              return right;
                          }));
    }
    std::uint64_t moved = 0;
    for (std::uint64_t i = 0; i < 60; ++i) {
        const auto& thread = *threads[i % kThreads].operator->();
        const auto before = MUST(t, thread.status()).word.cpu();
        REQUIRE_OK(t, thread.set_affinity(only(i / kThreads % t.cpus())));
        sleep_ns(kMillisecond / 4);
        moved += MUST(t, thread.status()).word.cpu() != before;
    }
    REQUIRE(t, eventually(t.env.clock, [&] {
                return std::ranges::all_of(rounds, [](const auto& count) { return count > 100; });
            }));
    stop = true;
    for (auto& thread : threads) {
        REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 1u);
    }
    REQUIRE(t, moved > 10 || t.cpus() == 1);
}

constexpr Entry kCases[] = {
    {"of_the_main_thread", of_the_main_thread},
    {"across_migrations", across_migrations},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "thread_local", kCases); }
