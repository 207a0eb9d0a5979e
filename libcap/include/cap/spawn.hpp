// SPDX-License-Identifier: MIT
//
// Starting a program: a new process with the segments of an ELF file, a stack, a StartInfo page, the
// capabilities given to it, and a main thread that is not started yet. If anything fails, nothing is left
// behind. Only one thread of a process may spawn at a time.
//
//     const auto image = archive.find("workers/sieve");  // core/cpio.hpp
//     const cap::GivenCap caps[] = {{"log", env.log.slot(), abi::kWrite}};
//     auto child = TRY(cap::spawn(env, {.name = "sieve", .image = *image, .arguments = "n=7", .caps =
//     caps})); TRY(child.thread.start());
#pragma once

#include "cap/env.hpp"
#include "cap/layout.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cap {

struct GivenCap {
    std::string_view name;  // what the child finds it under; at most 23 characters
    abi::CapSlot slot;      // of the own table, with kGrant
    abi::Rights rights;
};

struct SpawnParams {
    std::string_view name;  // for the log
    std::span<const std::byte> image;
    std::string_view arguments = {};
    std::span<const GivenCap> caps = {};  // besides "process" and "thread", which every program gets
    abi::CapSlot domain = {};             // scheduling domain (kExecute), or none
    abi::CapSlot quota = {};              // what the process is charged to (kExecute); none: the caller's
    std::uint64_t affinity = 0;           // 0: all CPUs
    std::uint64_t label = 0;
    std::uint64_t first_cpu = 0;
    std::uint64_t stack_pages = kDefaultStackPages;
};

struct Spawned {
    Process process;
    Thread thread;  // the main thread, not started

    // Kills the process and drops both slots.
    void discard(std::uint64_t exit_code) const;
};

// kBadArgument: too many or too long names, arguments or stack, or not an ELF file that fits the layout;
// kWriteExecute: a segment that is both; else what the kernel said.
[[nodiscard]] Result<Spawned> spawn(const Env& env, const SpawnParams& params);

}  // namespace cap
