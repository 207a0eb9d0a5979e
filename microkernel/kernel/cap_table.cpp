// SPDX-License-Identifier: MIT
#include "kernel/cap_table.hpp"

#include <algorithm>

#include "arch/paging.hpp"
#include "kernel/frames.hpp"

namespace cox {

using abi::Error;

CapTable::~CapTable() {
    SpinGuard guard(lock_);
    for (std::uint32_t i = 0; i < slots_; i += kPerFrame) release_frame(arch::virtual_to_physical(&entry(i)));
}

core::Result<CapTable::Entry*> CapTable::find(abi::CapSlot slot) const {
    if (slot.index >= slots_) return core::fail(Error::kBadSlot);
    Entry& found = entry(slot.index);
    if (slot.generation != found.generation + 1) {
        return core::fail(slot.generation != 0 && slot.generation <= found.generation ? Error::kStaleSlot
                                                                                      : Error::kBadSlot);
    }
    if (!found.object) return core::fail(Error::kBadSlot);
    return &found;
}

// Empties an entry; the reference that it held is the caller's to release, without the lock.
Object* CapTable::take(Entry& from) {
    ++from.generation;
    return std::exchange(from.object, nullptr);
}

core::Result<abi::CapSlot> CapTable::add(Cap cap) {
    SpinGuard guard(lock_);
    if (closed_) return core::fail(Error::kWrongState);
    for (std::uint32_t i = lowest_free_; i < kSlots; ++i) {
        if (i == slots_) {
            const auto frame = allocate_zeroed_frame();
            if (!frame) return core::fail(Error::kNoMemory);
            frames_[i / kPerFrame] = arch::physical_to_virtual<Entry>(*frame);
            slots_ += kPerFrame;
        }
        Entry& free = entry(i);
        if (free.object || free.generation == ~0u - 1) continue;  // a worn-out slot is never used again
        free.object = cap.object.leak();
        free.rights = cap.rights;
        lowest_free_ = i + 1;
        return abi::CapSlot{i, free.generation + 1};
    }
    return core::fail(Error::kNoSlot);
}

core::Result<Cap> CapTable::look_up(abi::CapSlot slot) const {
    SpinGuard guard(lock_);
    const Entry* found = TRY(find(slot));
    return Cap{RefPtr<Object>(*found->object), found->rights};
}

core::Result<void> CapTable::drop(abi::CapSlot slot) {
    Object* object;
    {
        SpinGuard guard(lock_);
        object = take(*TRY(find(slot)));
        lowest_free_ = std::min(lowest_free_, slot.index);
    }
    object->release();
    return {};
}

void CapTable::clear() {
    for (std::uint32_t i = 0;; ++i) {
        Object* object = nullptr;
        {
            SpinGuard guard(lock_);
            closed_ = true;
            if (i >= slots_) return;
            if (entry(i).object) object = take(entry(i));
        }
        if (object) object->release();
    }
}

}  // namespace cox
