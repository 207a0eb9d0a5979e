// SPDX-License-Identifier: MIT
#include "kernel/cap_table.hpp"

#include <algorithm>

#include "arch/paging.hpp"
#include "kernel/frames.hpp"

namespace cox {

using abi::Error;

CapTable::~CapTable() {
    for (std::uint32_t i = 0; i < slots_; i += kPerFrame) release_frame(arch::virtual_to_physical(&entry(i)));
}

Error CapTable::why_not(abi::CapSlot slot) const {
    if (slot.index >= slots_ || slot.generation == 0) return Error::kBadSlot;
    return slot.generation <= entry(slot.index).generation ? Error::kStaleSlot : Error::kBadSlot;
}

// Empties an entry; the reference that it held is the caller's to release, without the lock.
Object* CapTable::take(std::uint32_t index) {
    Entry& from = entry(index);
    Object* object = from.object.load(std::memory_order_relaxed);
    // Of another table's slot of the same name it is forgotten for nothing.
    const auto name = abi::CapSlot{index, from.generation.load(std::memory_order_relaxed) + 1}.raw();
    if (object->known_slot.load(std::memory_order_relaxed) == name) object->known_slot.store(0);
    from.object.store(nullptr);
    from.generation.fetch_add(1);  // release: pairs with find()
    return object;
}

bool CapTable::grow() {
    const auto frame = allocate_zeroed_frame();
    if (!frame) return false;
    frames_[slots_ / kPerFrame] = arch::physical_to_virtual<Entry>(*frame);
    slots_.fetch_add(kPerFrame, std::memory_order_release);  // pairs with find()
    return true;
}

core::Result<abi::CapSlot> CapTable::add(Cap cap) {
    SpinGuard guard(lock_);
    if (closed_) return core::fail(Error::kWrongState);
    for (std::uint32_t i = lowest_free_; i < kSlots; ++i) {
        if (i == slots_ && !grow()) return core::fail(Error::kNoMemory);
        Entry& free = entry(i);
        const auto generation = free.generation.load(std::memory_order_relaxed);
        if (free.object.load(std::memory_order_relaxed) || generation == ~0u - 1)
            continue;  // a worn-out slot is never used again
        free.rights.store(cap.rights, std::memory_order_relaxed);
        free.badge.store(cap.badge, std::memory_order_relaxed);
        free.object.store(cap.object.leak(), std::memory_order_release);  // pairs with look_up()
        lowest_free_ = i + 1;
        return abi::CapSlot{i, generation + 1};
    }
    return core::fail(Error::kNoSlot);
}

core::Result<Cap> CapTable::look_up(abi::CapSlot slot) const {
    const Entry* found = find_any(slot);
    if (!found) return refuse(slot, nullptr);
    Object* object = found->object.load(std::memory_order_acquire);  // pairs with add(): its rights and badge
    const auto rights = found->rights.load(std::memory_order_relaxed);
    const auto badge = found->badge.load(std::memory_order_relaxed);
    if (!object || !object->retain_if_alive()) return refuse(slot, nullptr);
    if (found->generation.load() != slot.generation - 1) return refuse(slot, object);
    return Cap{RefPtr<Object>::adopt(object), rights, badge};
}

[[gnu::noinline]] void CapTable::give_back(Object& object) { object.release(); }

[[gnu::noinline]] core::Result<Cap> CapTable::refuse(abi::CapSlot slot, Object* taken) const {
    if (taken) taken->release();
    SpinGuard guard(lock_);  // nobody is in the middle of a change
    return core::fail(why_not(slot));
}

core::Result<void> CapTable::drop(abi::CapSlot slot) {
    Object* object;
    {
        SpinGuard guard(lock_);
        Entry* found = find(slot);
        if (!found) return core::fail(why_not(slot));
        object = take(slot.index);
        lowest_free_ = std::min(lowest_free_, slot.index);
    }
    object->release();
    return {};
}

bool CapTable::recall(abi::CapSlot slot, Object& object) {
    SpinGuard guard(lock_);
    if (!names(slot, object, abi::kRead | abi::kWrite)) return false;
    object.known_slot.store(slot.raw(), std::memory_order_release);
    return true;
}

void CapTable::clear() {
    for (std::uint32_t i = 0;; ++i) {
        Object* object = nullptr;
        {
            SpinGuard guard(lock_);
            closed_ = true;
            if (i >= slots_) return;
            if (entry(i).object.load()) object = take(i);
        }
        if (object) object->release();
    }
}

}  // namespace cox
