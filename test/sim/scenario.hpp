// SPDX-License-Identifier: MIT
//
// Scenario: a machine and the threads that come to it. docs/simulator.md specifies the text; read_scenario() turns it
// into this, or throws BadScenario with file, line and what is allowed.
#pragma once

#include "distribution.hpp"
#include "machine.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

inline constexpr std::uint64_t kForever = ~std::uint64_t{0};
inline constexpr std::uint64_t kAnywhere = ~std::uint64_t{0};
inline constexpr std::uint32_t kMostThreads = 1'000'000;
inline constexpr std::uint32_t kNobody = ~std::uint32_t{0};

class BadScenario : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// What the kernel and the server take for their work. Round numbers; a scenario may set others.
struct Costs {
    std::uint64_t event_ns = 2'000;     // from a change to when the server acts on it
    std::uint64_t commit_ns = 1'000;    // from a decision to when the thread is queued at its CPU
    std::uint64_t dispatch_ns = 1'000;  // from when a CPU takes a thread to when that runs
};

// One thread of an arrival trace: when it comes, then its times of running and sleeping in turn.
struct TraceThread {
    std::uint64_t start_ns = 0;
    std::uint64_t affinity = kAnywhere;
    std::uint64_t label = 0;
    std::vector<std::uint64_t> phases;
};

// The threads of one line.
struct Crew {
    std::uint32_t line = 0;  // in the text
    std::uint32_t count = 0;
    std::uint64_t start_ns = 0;
    Distribution arrive;             // from one thread to the next
    Distribution run;                // each turn
    Distribution sleep;              // between two turns
    bool sleeps = false;             // else it goes on at once
    bool barrier = false;            // after each turn all wait for the last of them
    std::uint64_t period_ns = 0;     // 0: not periodic
    std::uint64_t times = 0;         // turns; 0: as many as the time allows
    std::uint64_t until = kForever;  // no turn begins at or after this
    std::uint32_t calls = kNobody;   // which line of servers, at the end of its run
    Distribution then;               // how long it runs after the reply
    std::string serves;  // the name of a line of servers; else empty: these threads begin by themselves
    std::uint64_t affinity = kAnywhere;
    std::uint64_t label = 0;
    std::vector<TraceThread> trace;  // in the order of their starts; then nothing of the above but count
};

struct Scenario {
    std::string name;
    std::vector<sched::CpuPlace> cpus;
    Costs costs;
    std::uint64_t end_ns = kForever;
    std::uint64_t inversion_ns =
        kForever;  // so long may who works for a caller wait beside one with less claim
    std::vector<Crew> crews;
    bool has_calls = false;

    [[nodiscard]] std::uint32_t threads() const {
        std::uint32_t sum = 0;
        for (const Crew& crew : crews) {
            sum += crew.count;
        }
        return sum;
    }
};

// `folder` is where the traces that the text names are looked for.
[[nodiscard]] Scenario parse_scenario(std::string_view text, const std::string& name,
                                      const std::string& folder);
[[nodiscard]] Scenario read_scenario(const std::string& path);

// The threads of an arrival trace, by its text.
[[nodiscard]] std::vector<TraceThread> parse_trace(std::string_view text, const std::string& name);

}  // namespace sim
