// SPDX-License-Identifier: MIT
//
// Loader: fills memory of a process that is being built. Memory is written through a window in the own
// address space before the new process maps it, with its final rights, so nothing is ever writable and
// executable there. Internal to spawn(); one thread at a time, as spawn() demands.
#pragma once

#include "cap/env.hpp"
#include "cap/process.hpp"
#include "core/elf.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace cap {

class Loader {
public:
    Loader(const Env& env, Process child) : env_(env), child_(child) {}

    [[nodiscard]] Result<void> load_segment(const cox::core::ElfSegment& segment);

    // `pages` pages at `address` of the child; `bytes` stand `offset` bytes from the first one's start, the
    // rest is zero.
    [[nodiscard]] Result<void> load(std::uint64_t address, std::uint64_t pages, abi::Rights access,
                                    std::span<const std::byte> bytes = {}, std::uint64_t offset = 0);

private:
    [[nodiscard]] Result<void> write(Memory memory, std::span<const std::byte> bytes,
                                     std::uint64_t offset) const;

    const Env& env_;
    Process child_;
};

}  // namespace cap
