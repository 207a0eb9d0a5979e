// SPDX-License-Identifier: MIT
// MemoryObject: a number of pages that can be mapped into address spaces. A page's frame never changes once it is there, so readers
// take no lock. Mostly all are there from the beginning; in one that was made on demand, a page's frame comes with its first use,
// by whoever is the first to put it into the list.
// The first frames stand in the object. For more, the list is two-level: a frame of pointers to frames of frame addresses, so an
// object holds up to 1 GiB.
#pragma once
#include <atomic>

#include "core/result.hpp"
#include "kernel/frames.hpp"
#include "kernel/object.hpp"
#include "kernel/park.hpp"

namespace cox {

class MemoryObject final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kMemory;
    // All frames at once, zeroed, or kNoMemory and none.
    static core::Result<RefPtr<MemoryObject>> create(std::uint64_t pages);
    // None yet, but memory to note them.
    static core::Result<RefPtr<MemoryObject>> create_on_demand(std::uint64_t pages);
    // Over frames in a row that somebody holds already: the status table, the archive.
    static core::Result<RefPtr<MemoryObject>> view(Physical base, std::uint64_t pages);
    // The frames of some pages of another, which keeps them too.
    static core::Result<RefPtr<MemoryObject>> part(MemoryObject& whole, std::uint64_t first,
                                                   std::uint64_t pages);

    std::uint64_t pages() const { return pages_; }
    // 0: it has none yet.
    Physical frame(std::uint64_t page) const {
        COX_ASSERT(page < pages_);
        // acquire: pairs with touch(), so that the frame is zeroed
        return __atomic_load_n(page < kFirst ? &first_[page] : &listed(page), __ATOMIC_ACQUIRE);
    }
    // The same, given one if it has none. kNoMemory.
    core::Result<Physical> touch(std::uint64_t page);
    // Of `pages` from `first` on, which are there.
    core::Result<void> touch_all(std::uint64_t first, std::uint64_t pages);
    std::uint64_t resident() const { return pages_ - missing_.load(std::memory_order_relaxed); }
    bool has(std::uint64_t first, std::uint64_t pages) const {
        return first < pages_ && pages <= pages_ - first;
    }

    MemoryObject() : Object(kType) {}
    ParkSpace parked;
    // While it is made. Takes over a hold on the frame (0: none yet). False: no memory for the list.
    bool append(Physical frame);

private:
    static constexpr std::uint64_t kFirst = 4;

    void destroy() override;
    Physical& listed(std::uint64_t page) const;

    std::uint64_t pages_ = 0;
    std::atomic<std::uint64_t> missing_{0};  // pages without a frame
    Physical first_[kFirst]{};
    Physical index_ = 0;
};

}  // namespace cox
