// SPDX-License-Identifier: MIT
#include "kernel/frames.hpp"

#include <atomic>

#include "arch/asm.hpp"
#include "arch/paging.hpp"
#include "core/frame_allocator.hpp"
#include "kernel/quota.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

namespace {

using arch::physical_to_virtual;

constexpr auto kFrameAt = [](std::uint64_t frame) { return physical_to_virtual<std::uint64_t>(frame); };

SpinLock lock(LockRank::kFrames);
core::FrameAllocator allocator COX_GUARDED_BY(lock){kFrameAt};

// By frame number. An entry is written before its frame is handed out, so nothing is cleared at boot.
struct Holding {
    std::atomic<std::uint32_t> holders;
    Quota* payer;  // nullptr: none. Kept alive by what it paid
};
Holding* holdings;

Holding& holding_of(Physical frame) { return holdings[frame / abi::kPageSize]; }

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
    holdings = static_cast<Holding*>(allocate_permanent(end / abi::kPageSize * sizeof *holdings));
}

std::optional<Physical> allocate_zeroed_frame() { return allocate_paid_frame(nullptr); }

core::Result<Physical> allocate_charged_frame(Quota& payer) {
    if (!payer.charge_memory(abi::kPageSize)) return core::fail(payer.no_memory());
    const auto frame = allocate_paid_frame(&payer);
    if (frame) return *frame;
    payer.return_memory(abi::kPageSize);
    return core::fail(abi::Error::kNoMemory);
}

std::optional<Physical> allocate_paid_frame(Quota* paid) {
    std::optional<Physical> frame;
    {
        SpinGuard guard(lock);
        frame = allocator.alloc();
    }
    if (frame) {
        holding_of(*frame).holders.store(1, std::memory_order_relaxed);
        holding_of(*frame).payer = paid;
        arch::fill_words(physical_to_virtual(*frame), 0, abi::kPageSize / 8);
    }
    return frame;
}

void hold_frame(Physical frame) { holding_of(frame).holders.fetch_add(1, std::memory_order_relaxed); }

void release_frame(Physical frame) {
    // acq_rel: whoever frees it comes after everything that the other holders did
    Holding& holding = holding_of(frame);
    const auto before = holding.holders.fetch_sub(1, std::memory_order_acq_rel);
    COX_ASSERT(before != 0);
    if (before != 1) return;
    Quota* const payer = holding.payer;
    {
        SpinGuard guard(lock);
        allocator.free(frame);
    }
    if (payer) payer->return_memory(abi::kPageSize);
}

void* allocate_permanent(std::uint64_t bytes) {
    SpinGuard guard(lock);
    const auto base = allocator.alloc_contiguous((bytes + abi::kPageSize - 1) / abi::kPageSize);
    COX_ASSERT(base.has_value());
    return physical_to_virtual(*base);
}

void adopt_frames(Physical base, std::uint64_t pages) {
    for (std::uint64_t i = 0; i < pages; ++i) {
        Holding& holding = holding_of(base + i * abi::kPageSize);
        holding.holders.store(1, std::memory_order_relaxed);
        holding.payer = nullptr;
    }
}

FrameCounts frame_counts() {
    SpinGuard guard(lock);
    return {allocator.total_frames(), allocator.used_frames()};
}

}  // namespace cox
