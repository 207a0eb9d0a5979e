// SPDX-License-Identifier: MIT
// Memory for kernel objects of up to a page, by size class. Never used on dispatch, wake or completion paths. Any CPU.
//
// A piece never changes its size, and free ones keep their bytes but the first eight, so a pointer to an Object that may
// have gone can always be asked for a reference (retain_if_alive): a piece in which no Object lives must have zeroes where
// the count would be. What else is allocated here begins with `NoObject`.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <new>
#include <utility>

#include "core/result.hpp"
#include "kernel/object.hpp"
#include "kernel/quota.hpp"

namespace cox {

// Whose count of references is 0 for ever.
struct NoObject {
    std::uint64_t none[4] = {};
};
static_assert(sizeof(NoObject) >= sizeof(Object), "its count of references lies in there");

void* heap_allocate(std::size_t size);  // nullptr: no frame; at least 16-aligned
void heap_free(void* memory, std::size_t size);
// What is charged for a piece of that size: as much as it takes.
constexpr std::uint64_t heap_size(std::size_t size) {
    return std::max<std::uint64_t>(std::bit_ceil(size), 64);
}

// A new T that `payer` pays for: kQuota, kNoMemory.
template <class T, class... Args>
core::Result<T*> make_charged(Quota& payer, Args&&... args) {
    static_assert(sizeof(T) <= abi::kPageSize);
    if (!payer.charge_memory(heap_size(sizeof(T)))) return core::fail(payer.no_memory());
    void* memory = heap_allocate(sizeof(T));
    if (!memory) {
        payer.return_memory(heap_size(sizeof(T)));
        return core::fail(abi::Error::kNoMemory);
    }
    return new (memory) T(std::forward<Args>(args)...);
}

// A new object with one reference.
template <class T, class... Args>
core::Result<RefPtr<T>> make_object(Quota& payer, Args&&... args) {
    T* const object = TRY(make_charged<T>(payer, std::forward<Args>(args)...));
    object->charged_to(payer);
    return RefPtr<T>::adopt(object);
}

// What destroy() of a heap object ends with. Holding no lock.
template <class T>
void dispose(T* object) {
    Quota& payer = object->payer();
    object->~T();
    heap_free(object, sizeof(T));
    payer.return_memory(heap_size(sizeof(T)));
}

}  // namespace cox
