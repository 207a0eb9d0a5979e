// SPDX-License-Identifier: MIT
// Physical frames, counted: a frame lives while a memory object, a mapping or the kernel holds it. Any CPU.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "core/boot_info.hpp"

namespace cox {

using Physical = std::uint64_t;

struct FrameCounts {
    std::uint64_t total, in_use;
};

// Boot CPU, once. `reserved`: the kernel image and what the loader left that is still needed.
void frames_init(std::span<const core::MemoryRange> usable, std::span<const core::MemoryRange> reserved);

// The frame is held once. Zeroed: nothing of its last owner is left.
std::optional<Physical> allocate_zeroed_frame();
void hold_frame(Physical frame);
void release_frame(Physical frame);  // the last holder frees it

// Boot time: memory that stays, in one piece, not zeroed.
void* allocate_permanent(std::uint64_t bytes);
// Boot time: memory that a loader filled becomes frames that are held once.
void adopt_frames(Physical base, std::uint64_t pages);

FrameCounts frame_counts();

}  // namespace cox
