// SPDX-License-Identifier: MIT
#include "kernel/memory_object.hpp"

#include "abi/calls.hpp"
#include "arch/paging.hpp"
#include "kernel/heap.hpp"
#include "kernel/selftest.hpp"

namespace cox {

using arch::physical_to_virtual;

core::Result<void> MemoryObject::append(Physical frame) {
    missing_ += frame == 0;
    if (pages_ < kFirst) {
        first_[pages_++] = frame;
        return {};
    }
    if (!index_) index_ = TRY(allocate_charged_frame(payer()));
    auto& leaf = physical_to_virtual<Physical>(index_)[pages_ / 512];
    if (!leaf) leaf = TRY(allocate_charged_frame(payer()));
    physical_to_virtual<Physical>(leaf)[pages_ % 512] = frame;
    ++pages_;
    return {};
}

Physical& MemoryObject::listed(std::uint64_t page) const {
    return physical_to_virtual<Physical>(physical_to_virtual<Physical>(index_)[page / 512])[page % 512];
}

core::Result<RefPtr<MemoryObject>> MemoryObject::create(Quota& payer, std::uint64_t pages) {
    if (pages == 0 || pages > abi::kMaxPagesPerObject) return core::fail(abi::Error::kBadArgument);
    auto object = TRY(make_object<MemoryObject>(payer));
    if (!payer.charge_memory(pages * abi::kPageSize)) return core::fail(payer.no_memory());
    for (std::uint64_t i = 0; i < pages; ++i) {
        const auto frame = allocate_paid_frame(&payer);
        const auto appended = frame ? object->append(*frame) : core::fail(abi::Error::kNoMemory);
        if (appended) continue;
        if (frame) release_frame(*frame);
        if (!keeps_charge) payer.return_memory((pages - i - frame.has_value()) * abi::kPageSize);
        return core::fail(appended.error());
    }
    return object;
}

core::Result<RefPtr<MemoryObject>> MemoryObject::create_on_demand(Quota& payer, std::uint64_t pages) {
    if (pages == 0 || pages > abi::kMaxPagesPerObject) return core::fail(abi::Error::kBadArgument);
    auto object = TRY(make_object<MemoryObject>(payer));
    for (std::uint64_t i = 0; i < pages; ++i) TRY(object->append(0));
    return object;
}

core::Result<RefPtr<MemoryObject>> MemoryObject::part(Quota& payer, MemoryObject& whole, std::uint64_t first,
                                                      std::uint64_t pages) {
    if (pages == 0 || pages > abi::kMaxPagesPerObject || !whole.has(first, pages))
        return core::fail(abi::Error::kBadArgument);
    auto object = TRY(make_object<MemoryObject>(payer));
    for (std::uint64_t i = 0; i < pages; ++i) {
        const auto frame = TRY(whole.touch(first + i));
        TRY(object->append(frame));
        hold_frame(frame);
    }
    return object;
}

core::Result<Physical> MemoryObject::touch(std::uint64_t page) {
    if (const auto there = frame(page)) return there;
    const auto fresh = TRY(allocate_charged_frame(payer()));
    Physical there = 0;
    // release: pairs with frame(), acquire: the frame may be another's
    if (__atomic_compare_exchange_n(page < kFirst ? &first_[page] : &listed(page), &there, fresh, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        missing_.fetch_sub(1, std::memory_order_relaxed);
        return fresh;
    }
    release_frame(fresh);
    return there;
}

core::Result<void> MemoryObject::touch_all(std::uint64_t first, std::uint64_t pages) {
    for (std::uint64_t i = 0; i < pages; ++i) TRY(touch(first + i));
    return {};
}

core::Result<RefPtr<MemoryObject>> MemoryObject::view(Quota& payer, Physical base, std::uint64_t pages) {
    auto object = TRY(make_object<MemoryObject>(payer));
    for (std::uint64_t i = 0; i < pages; ++i) {
        TRY(object->append(base + i * abi::kPageSize));
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
