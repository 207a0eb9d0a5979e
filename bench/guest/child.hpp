// SPDX-License-Identifier: MIT
//
// run_child(): another benchmark of the archive as a child, on the CPU that is measured, in the domain; its operations' names begin with `prefix`.
// -> its exit code.
#pragma once

#include "cap/env.hpp"
#include "cap/sched_domain.hpp"
#include "cap/spawn.hpp"
#include "core/cpio.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace bench {

namespace abi = cox::abi;

inline cap::Result<std::span<const std::byte>> image_of(const cap::Env& env, std::string_view path) {
    const auto archive = cox::core::CpioArchive::open(env.archive());
    const auto image = archive ? archive->find(path) : std::nullopt;
    return image ? cap::Result<std::span<const std::byte>>(*image) : cap::fail(abi::Error::kBadArgument);
}

inline cap::Result<std::uint64_t> run_child(const cap::Env& env, cap::SchedDomain domain,
                                            std::string_view path, std::string_view prefix) {
    const auto image = TRY(image_of(env, path));
    const cap::GivenCap caps[] = {{"log", env.log.slot(), abi::kWrite}};
    const auto child = TRY(cap::spawn(
        env,
        {.name = "measured", .image = image, .arguments = prefix, .caps = caps, .domain = domain.slot()}));
    TRY(child.thread.set_affinity(1));
    TRY(child.thread.start());
    return child.process.wait_exit(env.ring);
}

}  // namespace bench
