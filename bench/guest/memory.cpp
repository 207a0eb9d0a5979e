// SPDX-License-Identifier: MIT
// Mapping and unmapping single pages of a memory object that exists, where page tables exist.
#include "bench.hpp"

namespace {

namespace abi = cox::abi;
using bench::Operation;

constexpr std::uint64_t kPages = 256;

struct Window {
    cap::Memory memory;
    std::uint64_t address = 0;
};

// Set up by whichever operation comes first, and kept.
cap::Result<Window> window(const cap::Env& env) {
    static Window made;
    if (made.address == 0) {
        made.memory = TRY(env.process.create_memory(kPages));
        made.address = TRY(env.space.reserve(kPages));
    }
    return made;
}

// Touched in between, the page's translation is in the TLB.
template <bool Touch>
cap::Result<void> map_and_unmap(const cap::Env& env, std::uint64_t count) {
    const Window w = TRY(window(env));
    for (std::uint64_t i = 0; i < count; ++i) {
        TRY(env.process.map(w.memory, w.address, 0, 1, abi::kRead | abi::kWrite));
        if constexpr (Touch) {
            *reinterpret_cast<volatile std::uint64_t*>(w.address) = i;
        }
        TRY(env.process.unmap(w.address, 1));
    }
    return {};
}

// Each by itself: all pages of the window one by one, one way and then the other.
std::uint64_t map_ticks = 0, unmap_ticks = 0;

cap::Result<void> sweep(const cap::Env& env, std::uint64_t count) {
    const Window w = TRY(window(env));
    map_ticks = unmap_ticks = 0;
    for (std::uint64_t done = 0; done < count; done += kPages) {
        const std::uint64_t begin = cap::read_tsc();
        for (std::uint64_t page = 0; page < kPages; ++page) {
            TRY(env.process.map(w.memory, w.address + page * abi::kPageSize, page, 1,
                                abi::kRead | abi::kWrite));
        }
        const std::uint64_t mapped = cap::read_tsc();
        for (std::uint64_t page = 0; page < kPages; ++page) {
            TRY(env.process.unmap(w.address + page * abi::kPageSize, 1));
        }
        map_ticks += mapped - begin;
        unmap_ticks += cap::read_tsc() - mapped;
    }
    return {};
}

constexpr Operation kOperations[] = {
    {"map", 20 * kPages, sweep, &map_ticks},
    {"unmap", 20 * kPages, sweep, &unmap_ticks},
    {"map_and_unmap", 5'000, map_and_unmap<false>},
    {"map_touch_unmap", 5'000, map_and_unmap<true>},
};

}  // namespace

int cap_main(const cap::Env& env) { return bench::run(env, kOperations); }
