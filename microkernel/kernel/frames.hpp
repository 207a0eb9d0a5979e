// SPDX-License-Identifier: MIT
// Physical frames, counted: a frame lives while a memory object, a mapping or the kernel holds it. Each is charged to a quota,
// or to none: then it is the kernel's. Any CPU.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "core/boot_info.hpp"
#include "core/result.hpp"

namespace cox {

using Physical = std::uint64_t;
class Quota;

struct FrameCounts {
    std::uint64_t total, in_use;
};

// Boot CPU, once. `reserved`: the kernel image and what the loader left that is still needed.
void frames_init(std::span<const core::MemoryRange> usable, std::span<const core::MemoryRange> reserved);

// The frame is held once. Zeroed: nothing of its last owner is left. Nobody pays for it, or `paid` has.
std::optional<Physical> allocate_zeroed_frame();
std::optional<Physical> allocate_paid_frame(Quota* paid);
// `payer` is charged: kQuota, kNoMemory.
core::Result<Physical> allocate_charged_frame(Quota& payer);
void hold_frame(Physical frame);
// The last holder frees it, and who paid has that back. Holding no lock.
void release_frame(Physical frame);

// Boot time: memory that stays, in one piece, not zeroed.
void* allocate_permanent(std::uint64_t bytes);
// Boot time: memory that a loader filled becomes frames that are held once.
void adopt_frames(Physical base, std::uint64_t pages);

FrameCounts frame_counts();

}  // namespace cox
