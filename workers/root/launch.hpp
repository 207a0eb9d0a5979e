// SPDX-License-Identifier: MIT
//
// Starting what the manifest names, with the capabilities that it names and no others.
#pragma once

#include "cap/spawn.hpp"
#include "root/context.hpp"

#include <cstdint>
#include <string_view>

namespace root {

struct Placement {
    bool domain = false;         // in a scheduling domain, or in none
    std::uint64_t affinity = 0;  // 0: all CPUs
    std::uint64_t first_cpu = 0;
    abi::CapSlot child{};  // of the domain, if it is not the root domain
};

// A child that is not started yet; its exit is being waited for, and will complete with the tag `exit_tag`.
[[nodiscard]] cap::Result<cap::Spawned> launch(Context& context, const manifest::Program& program,
                                               std::uint64_t index, const Placement& placement,
                                               std::uint64_t exit_tag);

// Starts a scheduler server, context.server from now on, from this binary. What it signals "ready" completes with
// kServerReady, once (await_ready() for more), its exit with context.server_exit_tag.
[[nodiscard]] cap::Result<void> launch_server(Context& context, std::string_view program);
[[nodiscard]] cap::Result<void> await_ready(Context& context);
// The object that the server finds under that name.
[[nodiscard]] cap::Result<abi::CapSlot> server_object(Context& context, std::string_view name);

// Starts the scheduler server and waits until its agents run.
// It says itself what is wrong with its arguments.
[[nodiscard]] bool start_server(Context& context);

}  // namespace root
