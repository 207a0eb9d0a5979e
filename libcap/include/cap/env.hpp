// SPDX-License-Identifier: MIT
//
// What a program finds at its start. The program defines cap_main(); its return value is the exit code of the
// main thread. The process has gone when its last thread has, so a program with more threads ends by
// env.exit().
#pragma once

#include "abi/start_info.hpp"
#include "cap/address_space.hpp"
#include "cap/clock.hpp"
#include "cap/log.hpp"
#include "cap/process.hpp"
#include "cap/ring.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cap {

struct Env {
    const abi::StartInfo& info;
    Process process;  // itself
    Thread thread;    // the main thread
    Log log;          // empty if not given
    Clock clock;
    Ring& ring;  // the main thread's
    AddressSpace& space;

    // A capability that was given under this name.
    [[nodiscard]] std::optional<abi::CapSlot> find_slot(std::string_view name) const;
    template <class T>
    [[nodiscard]] std::optional<T> find(std::string_view name) const {
        const auto slot = find_slot(name);
        return slot ? std::optional<T>(T(*slot)) : std::nullopt;
    }

    // "key=value key2=value2"
    [[nodiscard]] std::string_view arguments() const;
    // The initial archive, for the root task; empty for everyone else.
    [[nodiscard]] std::span<const std::byte> archive() const;

    // Ends the whole process.
    [[noreturn]] void exit(std::uint64_t code) const;
};

}  // namespace cap

int cap_main(const cap::Env& env);
