// SPDX-License-Identifier: MIT
//
// The frame of a workload: a program that reads its arguments, makes its threads, runs its timed section, checks its own
// result, and writes one record, `workload:` (docs/workloads.md). It ends with 0 if the result was right, 1 if not, 2 if it
// was asked for something that there is not.
//
//     cap::Result<void> messaging(workload::Context& context) { ... }
//     int cap_main(const cap::Env& env) {
//         return workload::run(env, {"messaging", "lose_request", messaging});
//     }
//
// Arguments: size= (below), seed=, fault= (none, or the workload's own: its check must notice it). Capabilities: "log", and
// "machine" to read the kernel's accounting.
#pragma once

#include "cap/env.hpp"
#include "cap/machine.hpp"
#include "workload/report.hpp"

#include <cstdint>
#include <string_view>

namespace workload {

struct Context {
    const cap::Env& env;
    std::uint32_t cpus;
    std::uint64_t scale;  // how long it shall take: 1, 5 or 50 by size=smoke, default or large
    std::uint64_t seed;
    bool faulty;  // the fault that its check must notice
    Report& report;
};

struct Workload {
    std::string_view name;
    std::string_view fault;
    // Calls report.begin() and report.end() around its timed section. An error: something could not be made.
    cap::Result<void> (*body)(Context& context);
};

[[nodiscard]] int run(const cap::Env& env, const Workload& workload);

}  // namespace workload
