// SPDX-License-Identifier: MIT
// Size classes 64, 128, ... 4096. A class that runs out cuts up a frame; freed pieces go to the class's list and stay there.
#include "kernel/heap.hpp"

#include <array>
#include <bit>

#include "arch/paging.hpp"
#include "kernel/frames.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

namespace {

struct Piece {
    Piece* next;
};

constexpr unsigned kSmallest = 6, kLargest = 12;
SpinLock lock(LockRank::kHeap);
std::array<Piece*, kLargest - kSmallest + 1> free_pieces COX_GUARDED_BY(lock);

unsigned class_of(std::size_t size) {
    const unsigned log = std::bit_width(size - 1);
    return (log < kSmallest ? kSmallest : log) - kSmallest;
}

}  // namespace

void* heap_allocate(std::size_t size) {
    COX_ASSERT(size > 0 && size <= std::size_t{1} << kLargest);
    const unsigned c = class_of(size);
    SpinGuard guard(lock);
    if (!free_pieces[c]) {
        const auto frame = allocate_zeroed_frame();
        if (!frame) return nullptr;
        const std::size_t step = std::size_t{1} << (c + kSmallest);
        for (std::size_t at = 0; at < abi::kPageSize; at += step) {
            auto* piece = arch::physical_to_virtual<Piece>(*frame + at);
            piece->next = free_pieces[c];
            free_pieces[c] = piece;
        }
    }
    Piece* piece = free_pieces[c];
    free_pieces[c] = piece->next;
    return piece;
}

void heap_free(void* memory, std::size_t size) {
    const unsigned c = class_of(size);
    auto* piece = static_cast<Piece*>(memory);
    SpinGuard guard(lock);
    piece->next = free_pieces[c];
    free_pieces[c] = piece;
}

}  // namespace cox
