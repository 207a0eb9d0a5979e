// SPDX-License-Identifier: MIT
#include "kernel/cap_table.hpp"

#include <algorithm>

#include "arch/paging.hpp"
#include "core/owner_of.hpp"
#include "kernel/frames.hpp"
#include "kernel/selftest.hpp"

namespace cox {

using abi::Error;

namespace {

// How many revoke() empties while it holds the lock.
constexpr std::uint32_t kRevokedAtOnce = abi::kRevokedPerCall;

// Objects share locks, so that a lock never goes away with its object. Threads lie 2048 bytes apart, others less.
struct alignas(64) DerivationLock {
    SpinLock lock{LockRank::kDerivation};
};
constexpr std::uint64_t kDerivationLocks = 64;
constinit std::array<DerivationLock, kDerivationLocks> derivation_locks;

SpinLock& derivation_lock(const Object& object) {
    const auto address = reinterpret_cast<std::uint64_t>(&object);
    return derivation_locks[(address >> 6 ^ address >> 12) % kDerivationLocks].lock;
}

}  // namespace

CapTable::~CapTable() {
    for (std::uint32_t i = 0; i < slots_; i += kPerFrame) release_frame(arch::virtual_to_physical(&entry(i)));
}

// Asked about a slot that was not found. Without an object but not free, it is just being emptied.
Error CapTable::why_not(abi::CapSlot slot) const {
    if (slot.index >= slots_ || slot.generation == 0) return Error::kBadSlot;
    const Entry& there = entry(slot.index);
    const bool in_use = there.table.load() != nullptr;  // first: it becomes free last
    const auto emptied = there.generation.load();
    return slot.generation <= emptied || (slot.generation == emptied + 1 && in_use) ? Error::kStaleSlot
                                                                                    : Error::kBadSlot;
}

Object* CapTable::empty(Entry& from) {
    Object* object = from.object.load(std::memory_order_relaxed);
    from.derivation.leave();
    from.object.store(nullptr);
    from.generation.fetch_add(1);  // release: pairs with find_any()
    return object;
}

// An entry of whatever table, without that table's lock.
void CapTable::empty_elsewhere(Entry& from) {
    from.object.load(std::memory_order_relaxed)->known_slot.store(0);  // maybe for nothing
    empty(from);
    // release: pairs with find_free(), which finds that it has no object
    from.table.load(std::memory_order_relaxed)->emptied_.store(true, std::memory_order_release);
    from.table.store(
        nullptr, std::memory_order_release);  // pairs with settle(), find_free(): the last that is done here
}

// It has no object: either it is free, or another CPU is within empty_elsewhere().
void CapTable::settle(const Entry& entry) {
    while (entry.table.load(std::memory_order_acquire)) arch::pause();
}

// Empties an entry of this table if it is not empty; the reference that it held is the caller's to release, without locks.
Object* CapTable::take(std::uint32_t index) {
    Entry& from = entry(index);
    if (Object* const object = from.object.load(std::memory_order_relaxed)) {
        SpinGuard derivations(derivation_lock(*object));
        if (from.object.load(std::memory_order_relaxed) == object) {
            // Of another table's slot of the same name it is forgotten for nothing.
            const abi::CapSlot name{index, from.generation.load(std::memory_order_relaxed) + 1};
            if (object->known_slot.load(std::memory_order_relaxed) == name.raw()) object->known_slot.store(0);
            empty(from);
            from.table.store(nullptr, std::memory_order_relaxed);
            return object;
        }
    }
    settle(from);
    return nullptr;
}

core::Result<void> CapTable::grow() {
    const auto frame = TRY(allocate_charged_frame(payer_));
    const auto base = reinterpret_cast<std::uint64_t>(arch::physical_to_virtual(frame));
    frames_[slots_ / kPerFrame] = base - slots_ * sizeof(Entry);
    slots_.fetch_add(kPerFrame, std::memory_order_release);  // pairs with find_any()
    return {};
}

core::Result<std::uint32_t> CapTable::find_free() {
    if (closed_) return core::fail(Error::kWrongState);
    if (emptied_.load(std::memory_order_relaxed)) {
        emptied_.exchange(false, std::memory_order_acquire);  // pairs with empty_elsewhere()
        lowest_free_ = 0;
    }
    for (std::uint32_t i = lowest_free_; i < kSlots; ++i) {
        if (i == slots_) TRY(grow());
        const Entry& there = entry(i);
        if (there.table.load(std::memory_order_acquire)) {  // pairs with empty_elsewhere()
            if (there.object.load(std::memory_order_relaxed)) continue;
            settle(there);
        }
        if (there.generation.load(std::memory_order_relaxed) != ~0u - 1) return i;
        // a worn-out slot is never used again
    }
    return core::fail(Error::kNoSlot);
}

// A free entry, whose place among the derived has been found.
abi::CapSlot CapTable::fill(std::uint32_t index, Cap& cap) {
    Entry& free = entry(index);
    free.table.store(this, std::memory_order_relaxed);
    free.rights.store(cap.rights, std::memory_order_relaxed);
    free.badge.store(cap.badge, std::memory_order_relaxed);
    free.object.store(cap.object.leak(), std::memory_order_release);  // pairs with look_up()
    lowest_free_ = index + 1;
    return {index, free.generation.load(std::memory_order_relaxed) + 1};
}

core::Result<abi::CapSlot> CapTable::add(Cap cap) {
    SpinGuard guard(lock_);
    const auto index = TRY(find_free());
    entry(index).derivation.stand_alone();
    return fill(index, cap);
}

core::Result<abi::CapSlot> CapTable::derive(Origin from, Cap cap) {
    SpinGuard guard(lock_);
    const auto index = TRY(find_free());
    SpinGuard derivations(derivation_lock(*cap.object));
    if (Entry* const parent = from.table.find(from.slot))
        entry(index).derivation.derive_from(parent->derivation);
    else if (keeps_derived)
        entry(index).derivation.stand_alone();
    else
        return core::fail(Error::kStaleSlot);
    return fill(index, cap);
}

core::Result<abi::CapSlot> CapTable::move(Origin from, Cap cap) {
    Object& object = *cap.object;
    abi::CapSlot slot;
    {
        SpinGuard guard(lock_);
        const auto index = TRY(find_free());
        SpinGuard derivations(derivation_lock(object));
        Entry* const origin = from.table.find(from.slot);
        if (!origin) return core::fail(Error::kStaleSlot);
        entry(index).derivation.derive_between(origin->derivation);
        slot = fill(index, cap);
        empty_elsewhere(*origin);
    }
    object.capability_emptied();
    object.release();  // the origin's reference
    return slot;
}

core::Result<CapTable::Revoked> CapTable::revoke(abi::CapSlot slot, Object& object) {
    Revoked done{};
    {
        SpinGuard derivations(derivation_lock(object));
        const Entry* const origin = find(slot);
        if (!origin) return core::fail(Error::kStaleSlot);
        while (core::Derivation* const derived = origin->derivation.newest_derived()) {
            done.more = done.count == kRevokedAtOnce;
            if (done.more) break;
            empty_elsewhere(core::owner_of<&Entry::derivation>(*derived));
            ++done.count;
        }
    }
    if (done.count) object.capability_emptied();
    for (std::uint32_t i = 0; i < done.count; ++i) object.release();
    return done;
}

core::Result<Cap> CapTable::look_up(abi::CapSlot slot) const { return look_up_here(slot); }

[[gnu::noinline]] void CapTable::give_back(Object& object) { object.release(); }

[[gnu::noinline]] core::Result<Cap> CapTable::refuse(abi::CapSlot slot, Object* taken) const {
    if (taken) taken->release();
    SpinGuard guard(lock_);  // nobody fills it
    return core::fail(why_not(slot));
}

core::Result<void> CapTable::drop(abi::CapSlot slot) {
    Object* object;
    {
        SpinGuard guard(lock_);
        if (!find(slot)) return core::fail(why_not(slot));
        object = take(slot.index);
        if (!object) return core::fail(Error::kStaleSlot);  // revoked just now
        lowest_free_ = std::min(lowest_free_, slot.index);
    }
    object->capability_emptied();
    object->release();
    return {};
}

bool CapTable::recall(abi::CapSlot slot, Object& object) {
    SpinGuard derivations(derivation_lock(object));
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
            object = take(i);
        }
        if (object) object->release();
    }
}

}  // namespace cox
