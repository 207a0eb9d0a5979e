// SPDX-License-Identifier: MIT
#include "kernel/cap_table.hpp"

#include "arch/paging.hpp"
#include "kernel/frames.hpp"

namespace cox {

using abi::Error;

core::Result<void> CapTable::init() {
    const auto frame = allocate_zeroed_frame();
    if (!frame) return core::fail(Error::kNoMemory);
    SpinGuard guard(lock_);
    entries_ = arch::physical_to_virtual<Entry>(*frame);
    return {};
}

CapTable::~CapTable() {
    SpinGuard guard(lock_);
    if (entries_) release_frame(arch::virtual_to_physical(entries_));
}

core::Result<CapTable::Entry*> CapTable::find(abi::CapSlot slot) const {
    if (slot.index >= kSlots) return core::fail(Error::kBadSlot);
    Entry& entry = entries_[slot.index];
    if (slot.generation != entry.generation + 1) {
        return core::fail(slot.generation != 0 && slot.generation <= entry.generation ? Error::kStaleSlot
                                                                                      : Error::kBadSlot);
    }
    if (!entry.object) return core::fail(Error::kBadSlot);
    return &entry;
}

// Empties an entry; the reference that it held is the caller's to release, without the lock.
Object* CapTable::take(Entry& entry) {
    ++entry.generation;
    return std::exchange(entry.object, nullptr);
}

core::Result<abi::CapSlot> CapTable::add(Cap cap) {
    SpinGuard guard(lock_);
    for (std::uint32_t i = 0; i < kSlots && !closed_; ++i) {
        Entry& entry = entries_[i];
        if (entry.object || entry.generation == ~0u - 1) continue;  // a worn-out slot is never used again
        entry.object = cap.object.leak();
        entry.rights = cap.rights;
        return abi::CapSlot{i, entry.generation + 1};
    }
    return core::fail(Error::kNoSlot);
}

core::Result<Cap> CapTable::look_up(abi::CapSlot slot) const {
    SpinGuard guard(lock_);
    const Entry* entry = TRY(find(slot));
    return Cap{RefPtr<Object>(*entry->object), entry->rights};
}

core::Result<void> CapTable::drop(abi::CapSlot slot) {
    Object* object;
    {
        SpinGuard guard(lock_);
        object = take(*TRY(find(slot)));
    }
    object->release();
    return {};
}

void CapTable::clear() {
    for (std::uint32_t i = 0; i < kSlots; ++i) {
        Object* object = nullptr;
        {
            SpinGuard guard(lock_);
            closed_ = true;
            if (entries_ && entries_[i].object) object = take(entries_[i]);
        }
        if (object) object->release();
    }
}

}  // namespace cox
