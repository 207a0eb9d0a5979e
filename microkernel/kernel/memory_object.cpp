// SPDX-License-Identifier: MIT
#include "kernel/memory_object.hpp"

#include "abi/calls.hpp"
#include "arch/paging.hpp"
#include "kernel/heap.hpp"

namespace cox {

using arch::physical_to_virtual;

bool MemoryObject::append(Physical frame) {
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

Physical MemoryObject::listed_frame(std::uint64_t page) const {
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

core::Result<RefPtr<MemoryObject>> MemoryObject::view(Physical base, std::uint64_t pages) {
    auto object = TRY(make_object<MemoryObject>());
    for (std::uint64_t i = 0; i < pages; ++i) {
        if (!object->append(base + i * abi::kPageSize)) return core::fail(abi::Error::kNoMemory);
        hold_frame(base + i * abi::kPageSize);
    }
    return object;
}

void MemoryObject::destroy() {
    for (std::uint64_t i = 0; i < pages_; ++i) release_frame(frame(i));
    if (index_) {
        for (std::uint64_t i = 0; i < pages_; i += 512) {
            if (const auto leaf = physical_to_virtual<Physical>(index_)[i / 512]) release_frame(leaf);
        }
        release_frame(index_);
    }
    dispose(this);
}

}  // namespace cox
