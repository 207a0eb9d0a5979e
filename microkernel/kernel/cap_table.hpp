// SPDX-License-Identifier: MIT
// CapTable: the capabilities of one process. A slot is index + generation; a reference to a slot that was reused is kStaleSlot.
//
// Entries are filled, and the lowest free one is found, under the table's lock. How the capabilities to an object were derived from
// each other (core/derivation.hpp), and that one is emptied, is under the *derivation lock* of that object: so revoke() reaches
// what lies in other tables without their locks. Looking up takes no lock. An entry that is emptied loses its object first, then
// its generation rises, then the object's reference is given back. So whoever reads the generation that he wants, then the object,
// takes a reference to that if it still has any (an object's memory is an object's for ever: heap.hpp), and finds the generation
// unchanged, holds what the slot named. An entry that is filled gets its object last. It is free when `table` is none: the last
// thing that is done to it when it is emptied, so that a table's entries are left alone by everybody once all are free.
#pragma once
#include <array>
#include <atomic>

#include "abi/calls.hpp"
#include "core/derivation.hpp"
#include "core/result.hpp"
#include "kernel/object.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

struct Cap {
    RefPtr<Object> object;
    abi::Rights rights = 0;
    std::uint64_t badge = 0;  // 0: none
};

class CapTable {
public:
    static constexpr std::uint32_t kSlots = 4096;

    explicit CapTable(Quota& payer) : payer_(payer) {}
    ~CapTable();  // the process has cleared it

    // kNoSlot, kQuota, kNoMemory; kWrongState after clear(). One that was derived from nothing: its object is new.
    core::Result<abi::CapSlot> add(Cap cap);
    // `cap` is a look-up's answer, less some rights. kStaleSlot as well: it has been emptied since. The table stays meanwhile.
    struct Origin {
        CapTable& table;
        abi::CapSlot slot;
    };
    core::Result<abi::CapSlot> derive(Origin from, Cap cap);
    // The same, but it takes the origin's place: what was derived from that is derived from this, and the origin is emptied.
    core::Result<abi::CapSlot> move(Origin from, Cap cap);
    // Empties what was derived from the slot, which names `object`, in whatever tables; the latest first, a bounded number.
    // kStaleSlot. The caller holds the object.
    struct Revoked {
        std::uint32_t count;
        bool more;  // there are
    };
    core::Result<Revoked> revoke(abi::CapSlot slot, Object& object);

    core::Result<Cap> look_up(abi::CapSlot slot) const;
    // The same in place, for where every call comes by.
    [[gnu::always_inline]] core::Result<Cap> look_up_here(abi::CapSlot slot) const {
        const Entry* found = find_any(slot);
        if (!found) [[unlikely]]
            return refuse(slot, nullptr);
        Object* object =
            found->object.load(std::memory_order_acquire);  // pairs with fill(): its rights and badge
        const auto rights = found->rights.load(std::memory_order_relaxed);
        const auto badge = found->badge.load(std::memory_order_relaxed);
        if (!object || !object->retain_if_alive()) [[unlikely]]
            return refuse(slot, nullptr);
        if (found->generation.load() != slot.generation - 1) [[unlikely]]
            return refuse(slot, object);
        return Cap{RefPtr<Object>::adopt(object), rights, badge};
    }
    // The same in the common case: what the slot names, held by a reference, if it is a T with these rights. nullptr: look_up()
    // may find more, or says why not.
    template <class T>
    [[gnu::always_inline]] T* hold(abi::CapSlot slot, abi::Rights needed) const {
        abi::Rights rights;
        return hold<T>(slot, needed, rights);
    }
    // `rights`: all that the capability has.
    template <class T>
    [[gnu::always_inline]] T* hold(abi::CapSlot slot, abi::Rights needed, abi::Rights& rights) const {
        const Entry* found = find_any(slot);
        if (!found) return nullptr;
        Object* object = found->object.load(std::memory_order_acquire);  // pairs with fill(): its rights
        rights = found->rights.load(std::memory_order_relaxed);
        if (!object || (rights & needed) != needed || !object->retain_if_alive()) return nullptr;
        if (object->type() == T::kType && found->generation.load() == slot.generation - 1) [[likely]]
            return static_cast<T*>(object);
        give_back(*object);
        return nullptr;
    }
    // What a slot names, for those who use it again and again: as long as `generation` is what it was, the table holds a reference.
    static constexpr std::uint32_t kNoGeneration = ~0u;  // an entry wears out before
    template <class T>
    struct Known {
        std::uint64_t slot = 0;
        const std::atomic<std::uint32_t>* generation = nullptr;
        std::uint32_t was = kNoGeneration;
        T* object = nullptr;
        std::uint64_t badge = 0;

        void forget() { slot = 0, was = kNoGeneration; }

        // acquire: pairs with take(): if so, its reference is given back after this
        bool still() const { return generation->load(std::memory_order_acquire) == was; }
    };
    // False: hold() fails.
    template <class T>
    bool learn(abi::CapSlot slot, abi::Rights needed, Known<T>& known) const {
        T* const object = hold<T>(slot, needed);
        if (!object) return false;
        const Entry& named = entry(slot.index);
        known = {slot.raw(), &named.generation, slot.generation - 1, object,
                 named.badge.load(std::memory_order_relaxed)};
        give_back(*object);
        return true;
    }
    // Whether the slot names `object`, this table's process or a thread of it, for reading and writing, as it did when
    // recall() was asked. Emptying the slot makes it forgotten first, so that the answer was right when it was read.
    static bool knows(abi::CapSlot slot, const Object& object) {
        return slot.raw() != 0 && object.known_slot.load(std::memory_order_acquire) == slot.raw();
    }
    // True: now knows() is.
    bool recall(abi::CapSlot slot, Object& object);
    // Whether the slot names `object` with these rights.
    bool names(abi::CapSlot slot, const Object& object, abi::Rights needed) const {
        const Entry* found = find(slot);
        return found &&
               found->object.load(std::memory_order_acquire) == &object &&  // pairs with fill(): its rights
               (found->rights.load(std::memory_order_relaxed) & needed) == needed;
    }
    // Whether the slot names anything, for those who do not want to know what.
    bool holds(abi::CapSlot slot) const { return find(slot) != nullptr; }
    core::Result<void> drop(abi::CapSlot slot);
    void clear();  // for good: nothing can be added afterwards

private:
    struct alignas(64) Entry {
        std::atomic<Object*> object;  // nullptr: free, or just being emptied
        std::atomic<abi::Rights> rights;
        std::atomic<std::uint32_t> generation;  // of the next or present capability here, less 1
        std::atomic<std::uint64_t> badge;
        std::atomic<CapTable*> table;  // nullptr: free
        core::Derivation derivation;   // under the object's derivation lock
    };
    static_assert(sizeof(Entry) == 64);
    // The table grows by a frame at a time, and does not shrink.
    static constexpr std::uint32_t kPerFrame = abi::kPageSize / sizeof(Entry);

    // index < slots_.
    Entry& entry(std::uint64_t index) const {
        return *reinterpret_cast<Entry*>(frames_[index / kPerFrame] + index * sizeof(Entry));
    }
    // nullptr: why_not() says why.
    Entry* find(abi::CapSlot slot) const {
        Entry* found = find_any(slot);
        return found && found->object.load(std::memory_order_relaxed) ? found : nullptr;
    }
    // The same, but its object may be gone already.
    Entry* find_any(abi::CapSlot slot) const {
        if (slot.index >= slots_.load(std::memory_order_acquire)) return nullptr;  // pairs with grow()
        Entry& found = entry(slot.index);
        // acquire: pairs with empty(), so that no object of an earlier generation is seen
        return found.generation.load(std::memory_order_acquire) == slot.generation - 1 ? &found : nullptr;
    }
    static void give_back(Object& object);
    // Gives back the reference that was taken, if any was.
    core::Result<Cap> refuse(abi::CapSlot slot, Object* taken) const;
    abi::Error why_not(abi::CapSlot slot) const COX_REQUIRES(lock_);

    core::Result<std::uint32_t> find_free() COX_REQUIRES(lock_);
    core::Result<void> grow() COX_REQUIRES(lock_);
    abi::CapSlot fill(std::uint32_t index, Cap& cap) COX_REQUIRES(lock_);
    Object* take(std::uint32_t index) COX_REQUIRES(lock_);
    // Under the derivation lock of the entry's object; the reference is the caller's to release, without locks.
    static Object* empty(Entry& from);
    static void empty_elsewhere(Entry& from);
    static void settle(const Entry& entry);

    Quota& payer_;
    mutable SpinLock lock_{LockRank::kCapTable};
    // Where each frame's entries are, less what the index of its first adds. Changed under the lock, before slots_.
    std::array<std::uint64_t, kSlots / kPerFrame> frames_{};
    std::atomic<std::uint32_t> slots_{0};                  // in the frames that are there; only grows
    std::atomic<bool> emptied_{false};                     // some slot, by another than drop()
    std::uint32_t lowest_free_ COX_GUARDED_BY(lock_) = 0;  // unless emptied_, no slot below it is free
    bool closed_ COX_GUARDED_BY(lock_) = false;
};

// What the capability names, as a T, with at least `needed` rights: kWrongType, kNoRight. It lives as long as `cap` does.
template <class T>
core::Result<T*> as(const Cap& cap, abi::Rights needed) {
    if (cap.object->type() != T::kType) return core::fail(abi::Error::kWrongType);
    if ((cap.rights & needed) != needed) return core::fail(abi::Error::kNoRight);
    return static_cast<T*>(cap.object.get());
}

}  // namespace cox
