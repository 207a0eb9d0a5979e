// SPDX-License-Identifier: MIT
// Memory for kernel objects of up to a page, by size class. Never used on dispatch, wake or completion paths. Any CPU.
#pragma once
#include <cstddef>
#include <new>
#include <utility>

#include "core/result.hpp"
#include "kernel/object.hpp"

namespace cox {

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
