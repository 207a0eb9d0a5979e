// SPDX-License-Identifier: MIT
// Memory for kernel objects of up to a page, by size class. Never used on dispatch, wake or completion paths. Any CPU.
//
// A piece never changes its size, and free ones keep their bytes but the first eight, so a pointer to an Object that may
// have gone can always be asked for a reference (retain_if_alive): a piece in which no Object lives must have zeroes where
// the count would be. What else is allocated here begins with `NoObject`.
#pragma once
#include <cstddef>
#include <new>
#include <utility>

#include "core/result.hpp"
#include "kernel/object.hpp"

namespace cox {

// Whose count of references is 0 for ever.
struct NoObject {
    std::uint64_t none[3] = {};
};
static_assert(sizeof(NoObject) >= sizeof(Object), "its count of references lies in there");

void* heap_allocate(std::size_t size);  // nullptr: no frame; at least 16-aligned
void heap_free(void* memory, std::size_t size);

// A new object with one reference.
template <class T, class... Args>
core::Result<RefPtr<T>> make_object(Args&&... args) {
    static_assert(sizeof(T) <= abi::kPageSize);
    void* memory = heap_allocate(sizeof(T));
    if (!memory) return core::fail(abi::Error::kNoMemory);
    return RefPtr<T>::adopt(new (memory) T(std::forward<Args>(args)...));
}

// What destroy() of a heap object ends with.
template <class T>
void dispose(T* object) {
    object->~T();
    heap_free(object, sizeof(T));
}

}  // namespace cox
