// SPDX-License-Identifier: MIT
//
// The frame of a benchmark: a program that is the root task, does each operation many times, and reports what the TSC
// counted. Under QEMU's -icount that is guest instructions, exact and the same in every run (scripts/bench).
//
//     constexpr bench::Operation kOperations[] = {{"null_call", 10'000, null_call}};
//     int cap_main(const cap::Env& env) { return bench::run(env, kOperations); }
//
// Started by another program, it is given an argument that its operations' names begin with (hinted.cpp).
#pragma once

#include "cap/env.hpp"
#include "cap/machine.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace bench {

namespace abi = cox::abi;

// Does the operation `count` times, its loop included.
struct Operation {
    std::string_view name;
    std::uint64_t count;
    cap::Result<void> (*body)(const cap::Env& env, std::uint64_t count);
    const std::uint64_t* ticks = nullptr;  // of a part of it, which the body counts itself
};

inline cap::Result<void> measure(const cap::Env& env, const Operation& operation) {
    TRY(operation.body(env, operation.count / 8 + 1));  // tables grow, pages are touched for the first time
    const std::uint64_t begin = cap::read_tsc();
    TRY(operation.body(env, operation.count));
    const std::uint64_t all = cap::read_tsc() - begin;
    const std::uint64_t ticks = operation.ticks != nullptr ? *operation.ticks : all;
    const auto prefix = env.archive().empty() ? env.arguments() : std::string_view();
    env.log.print("bench: name={}{} operations={} ticks={}", prefix, operation.name, operation.count, ticks);
    return {};
}

inline int run(const cap::Env& env, std::span<const Operation> operations) {
    int code = 0;
    for (const Operation& operation : operations) {
        if (const auto done = measure(env, operation); !done) {
            env.log.print("error: {}: {}", operation.name, done.error());
            code = 1;
        }
    }
    if (const auto machine = env.find<cap::Machine>("machine")) {
        (void)machine->power_off(code == 0 ? abi::ExitCode::kPass : abi::ExitCode::kFail);
    }
    return code;
}

}  // namespace bench
