// SPDX-License-Identifier: MIT
#include "kernel/memory_object.hpp"

#include "abi/calls.hpp"
#include "arch/paging.hpp"
#include "kernel/heap.hpp"

namespace cox {

using arch::physical_to_virtual;

bool MemoryObject::append(Physical frame) {
    missing_ += frame == 0;
    if (pages_ < kFirst) {
        first_[pages_++] = frame;
        return true;
    }
    if (!index_) {
        const auto index = allocate_zeroed_frame();
        if (!index) return false;
        index_ = *index;
    }
    auto& leaf = physical_to_virtual<Physical>(index_)[pages_ / 512];
    if (!leaf) {
        const auto table = allocate_zeroed_frame();
        if (!table) return false;
        leaf = *table;
    }
    physical_to_virtual<Physical>(leaf)[pages_ % 512] = frame;
    ++pages_;
    return true;
}

Physical& MemoryObject::listed(std::uint64_t page) const {
    return physical_to_virtual<Physical>(physical_to_virtual<Physical>(index_)[page / 512])[page % 512];
}

core::Result<RefPtr<MemoryObject>> MemoryObject::create(std::uint64_t pages) {
    if (pages == 0 || pages > abi::kMaxPagesPerObject) return core::fail(abi::Error::kBadArgument);
    auto object = TRY(make_object<MemoryObject>());
    for (std::uint64_t i = 0; i < pages; ++i) {
        const auto frame = allocate_zeroed_frame();
        if (!frame) return core::fail(abi::Error::kNoMemory);
        if (!object->append(*frame)) {
            release_frame(*frame);
            return core::fail(abi::Error::kNoMemory);
        }
    }
    return object;
}

core::Result<RefPtr<MemoryObject>> MemoryObject::create_on_demand(std::uint64_t pages) {
    if (pages == 0 || pages > abi::kMaxPagesPerObject) return core::fail(abi::Error::kBadArgument);
    auto object = TRY(make_object<MemoryObject>());
    for (std::uint64_t i = 0; i < pages; ++i) {
        if (!object->append(0)) return core::fail(abi::Error::kNoMemory);
    }
    return object;
}

core::Result<RefPtr<MemoryObject>> MemoryObject::part(MemoryObject& whole, std::uint64_t first,
                                                      std::uint64_t pages) {
    if (pages == 0 || pages > abi::kMaxPagesPerObject || !whole.has(first, pages))
        return core::fail(abi::Error::kBadArgument);
    auto object = TRY(make_object<MemoryObject>());
    for (std::uint64_t i = 0; i < pages; ++i) {
        const auto frame = TRY(whole.touch(first + i));
        if (!object->append(frame)) return core::fail(abi::Error::kNoMemory);
        hold_frame(frame);
    }
    return object;
}

core::Result<Physical> MemoryObject::touch(std::uint64_t page) {
    if (const auto there = frame(page)) return there;
    const auto fresh = allocate_zeroed_frame();
    if (!fresh) return core::fail(abi::Error::kNoMemory);
    Physical there = 0;
    // release: pairs with frame(), acquire: the frame may be another's
    if (__atomic_compare_exchange_n(page < kFirst ? &first_[page] : &listed(page), &there, *fresh, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        missing_.fetch_sub(1, std::memory_order_relaxed);
        return *fresh;
    }
    release_frame(*fresh);
    return there;
}

core::Result<void> MemoryObject::touch_all(std::uint64_t first, std::uint64_t pages) {
    for (std::uint64_t i = 0; i < pages; ++i) TRY(touch(first + i));
    return {};
}

core::Result<RefPtr<MemoryObject>> MemoryObject::view(Physical base, std::uint64_t pages) {
    auto object = TRY(make_object<MemoryObject>());
    for (std::uint64_t i = 0; i < pages; ++i) {
        if (!object->append(base + i * abi::kPageSize)) return core::fail(abi::Error::kNoMemory);
        hold_frame(base + i * abi::kPageSize);
    }
    return object;
}

void MemoryObject::destroy() {
    for (std::uint64_t i = 0; i < pages_; ++i) {
        if (const auto held = frame(i)) release_frame(held);
    }
    if (index_) {
        for (std::uint64_t i = 0; i < pages_; i += 512) {
            if (const auto leaf = physical_to_virtual<Physical>(index_)[i / 512]) release_frame(leaf);
        }
        release_frame(index_);
    }
    dispose(this);
}

}  // namespace cox
