// SPDX-License-Identifier: MIT
#include "kernel/frames.hpp"

#include <atomic>

#include "arch/asm.hpp"
#include "arch/paging.hpp"
#include "core/frame_allocator.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

namespace {

using arch::physical_to_virtual;

constexpr auto kFrameAt = [](std::uint64_t frame) { return physical_to_virtual<std::uint64_t>(frame); };

SpinLock lock(LockRank::kFrames);
core::FrameAllocator allocator COX_GUARDED_BY(lock){kFrameAt};

// Holders of each frame, by frame number. An entry is written before its frame is handed out, so nothing is cleared at boot.
std::atomic<std::uint32_t>* holders;

std::atomic<std::uint32_t>& holders_of(Physical frame) { return holders[frame / abi::kPageSize]; }

}  // namespace

void frames_init(std::span<const core::MemoryRange> usable, std::span<const core::MemoryRange> reserved) {
    std::uint64_t end = 0;
    for (const auto& range : usable) {
        if (range.usable) end = std::max(end, range.end());
    }
    {
        SpinGuard guard(lock);
        allocator.add_memory(usable, reserved);
    }
    holders =
        static_cast<std::atomic<std::uint32_t>*>(allocate_permanent(end / abi::kPageSize * sizeof *holders));
}

std::optional<Physical> allocate_zeroed_frame() {
    std::optional<Physical> frame;
    {
        SpinGuard guard(lock);
        frame = allocator.alloc();
    }
    if (frame) {
        holders_of(*frame).store(1, std::memory_order_relaxed);
        arch::fill_words(physical_to_virtual(*frame), 0, abi::kPageSize / 8);
    }
    return frame;
}

void hold_frame(Physical frame) { holders_of(frame).fetch_add(1, std::memory_order_relaxed); }

void release_frame(Physical frame) {
    // acq_rel: whoever frees it comes after everything that the other holders did
    const auto before = holders_of(frame).fetch_sub(1, std::memory_order_acq_rel);
    COX_ASSERT(before != 0);
    if (before == 1) {
        SpinGuard guard(lock);
        allocator.free(frame);
    }
}

void* allocate_permanent(std::uint64_t bytes) {
    SpinGuard guard(lock);
    const auto base = allocator.alloc_contiguous((bytes + abi::kPageSize - 1) / abi::kPageSize);
    COX_ASSERT(base.has_value());
    return physical_to_virtual(*base);
}

void adopt_frames(Physical base, std::uint64_t pages) {
    for (std::uint64_t i = 0; i < pages; ++i)
        holders_of(base + i * abi::kPageSize).store(1, std::memory_order_relaxed);
}

FrameCounts frame_counts() {
    SpinGuard guard(lock);
    return {allocator.total_frames(), allocator.used_frames()};
}

}  // namespace cox
