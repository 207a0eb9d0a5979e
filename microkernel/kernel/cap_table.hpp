// SPDX-License-Identifier: MIT
// CapTable: the capabilities of one process. A slot is index + generation; a reference to a slot that was reused is kStaleSlot.
#pragma once
#include <array>

#include "abi/calls.hpp"
#include "core/result.hpp"
#include "kernel/object.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

struct Cap {
    RefPtr<Object> object;
    abi::Rights rights = 0;
};

class CapTable {
public:
    static constexpr std::uint32_t kSlots = 4096;

    CapTable() = default;
    ~CapTable();  // the process has cleared it

    core::Result<abi::CapSlot> add(Cap cap);  // kNoSlot, kNoMemory; kWrongState after clear()
    core::Result<Cap> look_up(abi::CapSlot slot) const;
    core::Result<void> drop(abi::CapSlot slot);
    void clear();  // for good: nothing can be added afterwards

private:
    struct Entry {
        Object* object;  // nullptr: free
        abi::Rights rights;
        std::uint32_t generation;  // of the next or present capability here; starts at 0, which stands for 1
    };
    // The table grows by a frame at a time, and does not shrink.
    static constexpr std::uint32_t kPerFrame = abi::kPageSize / sizeof(Entry);

    Entry& entry(std::uint32_t index) const COX_REQUIRES(lock_) {
        return frames_[index / kPerFrame][index % kPerFrame];
    }
    core::Result<Entry*> find(abi::CapSlot slot) const COX_REQUIRES(lock_);
    Object* take(Entry& entry) COX_REQUIRES(lock_);

    mutable SpinLock lock_{LockRank::kCapTable};
    std::array<Entry*, kSlots / kPerFrame> frames_ COX_GUARDED_BY(lock_){};
    std::uint32_t slots_ COX_GUARDED_BY(lock_) = 0;        // in the frames that are there
    std::uint32_t lowest_free_ COX_GUARDED_BY(lock_) = 0;  // no slot below it is free
    bool closed_ COX_GUARDED_BY(lock_) = false;
};

// The capability as one to a T with at least `needed` rights: kWrongType, kNoRight.
template <class T>
core::Result<RefPtr<T>> as(const Cap& cap, abi::Rights needed) {
    if (cap.object->type() != T::kType) return core::fail(abi::Error::kWrongType);
    if ((cap.rights & needed) != needed) return core::fail(abi::Error::kNoRight);
    return RefPtr<T>(static_cast<T&>(*cap.object));
}

}  // namespace cox
