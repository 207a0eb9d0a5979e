// SPDX-License-Identifier: MIT
// MemoryObject: a number of frames that can be mapped into address spaces. Its frames never change, so readers take no lock.
// The first frames stand in the object. For more, the list is two-level: a frame of pointers to frames of frame addresses, so an
// object holds up to 1 GiB.
#pragma once
#include "core/result.hpp"
#include "kernel/frames.hpp"
#include "kernel/object.hpp"
#include "kernel/park.hpp"

namespace cox {

class MemoryObject final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kMemory;
    // All frames at once, zeroed, or kQuota, kNoMemory and none. `payer` pays for the frames, as long as one holds them.
    static core::Result<RefPtr<MemoryObject>> create(Quota& payer, std::uint64_t pages);
    // Over frames in a row that somebody holds already: the status table, the archive.
    static core::Result<RefPtr<MemoryObject>> view(Quota& payer, Physical base, std::uint64_t pages);

    std::uint64_t pages() const { return pages_; }
    Physical frame(std::uint64_t page) const {
        COX_ASSERT(page < pages_);
        return page < kFirst ? first_[page] : listed_frame(page);
    }

    MemoryObject() : Object(kType) {}
    ParkSpace parked;

private:
    static constexpr std::uint64_t kFirst = 4;

    // While it is made. Takes over a hold on the frame, unless there is no memory for the list.
    core::Result<void> append(Physical frame);

    void destroy() override;
    Physical listed_frame(std::uint64_t page) const;

    std::uint64_t pages_ = 0;
    Physical first_[kFirst]{};
    Physical index_ = 0;
};

}  // namespace cox
