// SPDX-License-Identifier: MIT
//
// FrameAllocator: hands out 4 KiB frames of physical memory by address. Not thread-safe: the owner's lock
// stands around it.
//
// At boot the firmware's map minus everything reserved becomes a list of free regions, cut to whole frames:
// unusable ranges win where they overlap usable ones, and nothing below 1 MiB is ever handed out. Frames come
// from the list of freed ones, else from the front of a region. A frame's memory is touched only once it has
// been handed out: its first word links it into the free list when it comes back. So boot time does not grow
// with memory.
//
//     region: first ──── handed out at least once ──── next ──── untouched ──── end
//
// alloc and free take time linear in the number of regions, a handful on any real machine.
#pragma once

#include "core/assert.hpp"
#include "core/boot_info.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace cox::core {

// FrameAt: callable, address of a frame → std::uint64_t* to its memory.
template <class FrameAt>
class FrameAllocator {
public:
    static constexpr std::uint64_t kFrameSize = 4096;
    static constexpr std::uint64_t kLowest = std::uint64_t{1} << 20;
    static constexpr std::uint64_t kHighest = std::uint64_t{1} << 52;  // where x86-64 ends
    static constexpr std::size_t kMaxRegions = 128;

    explicit FrameAllocator(FrameAt frame_at) : frame_at_(frame_at) {}
    FrameAllocator(const FrameAllocator&) = delete;
    FrameAllocator& operator=(const FrameAllocator&) = delete;

    // Once, before anything else. `reserved`: what must not be handed out, whatever its `usable` says. What
    // does not fit into the list of regions is lost; the result says whether all of it fitted.
    bool add_memory(std::span<const MemoryRange> map, std::span<const MemoryRange> reserved) {
        COX_ASSERT(region_count_ == 0);
        for (std::uint64_t at = kLowest;;) {
            const Region region = next_region(at, map, reserved);
            if (region.first == region.end) {
                return true;
            }
            if (region_count_ == kMaxRegions) {
                return false;
            }
            regions_[region_count_++] = region;
            total_frames_ += (region.end - region.first) / kFrameSize;
            at = region.end;
        }
    }

    [[nodiscard]] std::optional<std::uint64_t> alloc() {
        if (free_list_ == 0) {
            return alloc_contiguous(1);
        }
        const std::uint64_t frame = free_list_;
        free_list_ = *frame_at_(frame);
        COX_ASSERT(free_list_ == 0 || was_handed_out(free_list_));
        ++used_frames_;
        return frame;
    }

    // `count` frames in a row, from memory never handed out before: for boot time.
    [[nodiscard]] std::optional<std::uint64_t> alloc_contiguous(std::uint64_t count) {
        COX_ASSERT(count > 0);
        for (Region& region : std::span(regions_).first(region_count_)) {
            if ((region.end - region.next) / kFrameSize >= count) {
                const std::uint64_t frame = region.next;
                region.next += count * kFrameSize;
                used_frames_ += count;
                return frame;
            }
        }
        return std::nullopt;
    }

    // A frame that came from here and that nobody uses any more.
    void free(std::uint64_t frame) {
        COX_ASSERT(was_handed_out(frame) && used_frames_ > 0);
        *frame_at_(frame) = free_list_;
        free_list_ = frame;
        --used_frames_;
    }

    [[nodiscard]] std::uint64_t total_frames() const { return total_frames_; }
    [[nodiscard]] std::uint64_t used_frames() const { return used_frames_; }
    [[nodiscard]] std::uint64_t free_frames() const { return total_frames_ - used_frames_; }

private:
    struct Region {
        std::uint64_t first = 0;
        std::uint64_t next = 0;
        std::uint64_t end = 0;
    };

    // Usable ranges shrink to whole frames, blocked ones grow to them.
    static constexpr std::uint64_t round_down(std::uint64_t address) {
        return std::min(address, kHighest) & ~(kFrameSize - 1);
    }
    static constexpr std::uint64_t round_up(std::uint64_t address) {
        return round_down(std::min(address, kHighest) + kFrameSize - 1);
    }

    template <class Visit>
    static void each_usable(std::span<const MemoryRange> map, Visit visit) {
        for (const MemoryRange& range : map) {
            const std::uint64_t first = round_up(range.base);
            const std::uint64_t end = round_down(range.end());
            if (range.usable && first < end) {
                visit(first, end);
            }
        }
    }

    template <class Visit>
    static void each_blocked(std::span<const MemoryRange> map, std::span<const MemoryRange> reserved,
                             Visit visit) {
        for (const MemoryRange& range : map) {
            if (!range.usable && range.size != 0) {
                visit(round_down(range.base), round_up(range.end()));
            }
        }
        for (const MemoryRange& range : reserved) {
            if (range.size != 0) {
                visit(round_down(range.base), round_up(range.end()));
            }
        }
    }

    // The first region at or after `at`; empty at the end. `at` only rises, from one range's edge to
    // another's, so this ends.
    static Region next_region(std::uint64_t at, std::span<const MemoryRange> map,
                              std::span<const MemoryRange> reserved) {
        for (bool moved = true; moved;) {
            std::uint64_t start = kHighest;
            each_usable(map, [&](std::uint64_t first, std::uint64_t end) {
                start = end > at ? std::min(start, std::max(at, first)) : start;
            });
            moved = false;
            at = start;
            each_blocked(map, reserved, [&](std::uint64_t first, std::uint64_t end) {
                if (first <= at && at < end) {
                    at = end;
                    moved = true;
                }
            });
        }
        std::uint64_t region_end = at;
        for (bool grown = true; grown;) {
            grown = false;
            each_usable(map, [&](std::uint64_t first, std::uint64_t end) {
                if (first <= region_end && region_end < end) {
                    region_end = end;
                    grown = true;
                }
            });
        }
        each_blocked(map, reserved, [&](std::uint64_t first, std::uint64_t) {
            region_end = first > at ? std::min(region_end, first) : region_end;
        });
        return {.first = at, .next = at, .end = region_end};
    }

    [[nodiscard]] bool was_handed_out(std::uint64_t frame) const {
        const auto holds = [frame](const Region& region) {
            return region.first <= frame && frame < region.next;
        };
        return frame % kFrameSize == 0 &&
               std::ranges::any_of(std::span(regions_).first(region_count_), holds);
    }

    std::array<Region, kMaxRegions> regions_{};
    std::size_t region_count_ = 0;
    std::uint64_t free_list_ = 0;  // first free frame; 0, which is never handed out, ends the list
    std::uint64_t total_frames_ = 0;
    std::uint64_t used_frames_ = 0;
    FrameAt frame_at_;
};

}  // namespace cox::core
