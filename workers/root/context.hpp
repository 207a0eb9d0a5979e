// SPDX-License-Identifier: MIT
//
// What all parts of the root task share. Functions that return bool have said why when they return false, in
// one line that begins with "error: ".
#pragma once

#include "cap/env.hpp"
#include "cap/machine.hpp"
#include "cap/spawn.hpp"
#include "core/cpio.hpp"
#include "root/manifest.hpp"
#include "root/objects.hpp"
#include "root/waiting.hpp"

#include <string_view>

namespace root {

namespace abi = cox::abi;
namespace manifest = cox::manifest;

struct Context {
    const cap::Env& env;
    cap::Machine machine;
    const cox::core::CpioArchive& archive;
    std::string_view name;  // of the manifest
    manifest::Manifest& manifest;
    Objects& objects;
    cap::Spawned server{};              // the one that was started last
    std::uint64_t server_exit_tag = 0;  // with which its exit will complete
};

// Completions on the root task's ring are told apart by these.
inline constexpr std::uint64_t kServerReady = 1;
inline constexpr std::uint64_t kServerExit = 2;
inline constexpr std::uint64_t kBell = 3;
inline constexpr std::uint64_t kSignalled = 4;
inline constexpr std::uint64_t kAnswered = 5;
inline constexpr std::uint64_t kNextServerExit = 6;  // of every second server: two can be there at once
inline constexpr std::uint64_t kDomainReady = 0x20;  // + number of the domain
inline constexpr std::uint64_t kDomainExit = 0x40;
inline constexpr std::uint64_t kChildExit = 0x100;  // + number of the child

}  // namespace root
