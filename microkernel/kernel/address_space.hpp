// SPDX-License-Identifier: MIT
// AddressSpace: the user half of a page table, and the TLB shootdown that keeps every CPU's view of it true.
//
// Every CPU publishes the space it has loaded (Cpu::active_space) and the generation that it has seen
// (Cpu::seen_generation). An initiator changes entries, raises `generation`, fences, and reads who is active: those get
// an IPI, flush, and publish the generation; it waits for them, serving its own shootdowns meanwhile, and holding no lock. A
// CPU that loads the space publishes it first, fences, then reads the generation: so either the initiator sees it, or it loads the
// new entries. Frames are released after the wait.
#pragma once
#include <atomic>
#include <cstdint>

#include "abi/types.hpp"
#include "arch/paging.hpp"
#include "core/result.hpp"
#include "kernel/frames.hpp"
#include "kernel/heap.hpp"
#include "kernel/memory_object.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

struct Cpu;

class AddressSpace : NoObject {
public:
    AddressSpace() = default;
    ~AddressSpace();  // frees tables and releases frames; no CPU may have it loaded any more
    AddressSpace(const AddressSpace&) = delete;
    AddressSpace& operator=(const AddressSpace&) = delete;

    core::Result<void> init();

    // All or nothing. `allowed`: what protect() may later give at most. kBadAddress, kMisaligned, kBadArgument, kOverlap, kWriteExecute, kNoMemory.
    core::Result<void> map(MemoryObject& memory, std::uint64_t first_page, std::uint64_t address,
                           std::uint64_t pages, abi::Rights access, abi::Rights allowed);
    // Holes are allowed, so that a caller can clean up after a failure.
    core::Result<void> unmap(std::uint64_t address, std::uint64_t pages);
    // kBadAddress when a page of the range is not mapped, kNoRight when its mapping does not allow that much; nothing is
    // changed then.
    core::Result<void> protect(std::uint64_t address, std::uint64_t pages, abi::Rights access);

    // The kernel's own view of user memory at `address`, for at most what is left of that page; calls use(bytes, n). The page
    // cannot go away meanwhile. kBadAddress if it is not mapped with that access.
    template <class Use>
    core::Result<void> with_page(std::uint64_t address, abi::Rights access, Use use);

    // Gives the page its frame, if it has none yet. True: it is mapped with that access now, for whoever has faulted there.
    [[nodiscard]] bool bring_in(std::uint64_t address, abi::Rights access);

    // A page in the kernel's own view. It is what it was found to be as long as the space has the generation that it had before
    // the look: whatever changes entries raises that, and then waits for the CPUs that have the space loaded.
    struct Page {
        std::uint64_t number = 0, generation = 0;  // 0: none
        std::byte* bytes = nullptr;
    };
    bool is_current(const Page& page, std::uint64_t address) const {
        return page.number == address / abi::kPageSize && page.generation == generation.load();
    }
    // No lock. False: not mapped.
    bool find_page(Page& page, std::uint64_t address) const;
    // The word at `address`, a multiple of 4, in a page that is current: of the space that this CPU has loaded, and until it
    // serves a shootdown: a frame that is unmapped meanwhile is released after that.
    static const std::atomic<std::uint32_t>& word_in(const Page& page, std::uint64_t address) {
        return *reinterpret_cast<const std::atomic<std::uint32_t>*>(page.bytes + address % abi::kPageSize);
    }

    Physical top() const { return top_; }
    std::atomic<std::uint64_t> generation{1};
    std::atomic<std::uint32_t> users{0};   // Process::SpaceHold
    AddressSpace* next_to_reap = nullptr;  // exit.cpp

private:
    static core::Result<void> check_range(std::uint64_t address, std::uint64_t pages);
    std::uint64_t clear(std::uint64_t& address, std::uint64_t end, std::uint64_t* entries, bool& flush);
    void* resolve(std::uint64_t address, abi::Rights access) COX_REQUIRES(lock_);
    // [begin, end) has changed: returns when no CPU uses what stood there.
    void shoot_down(std::uint64_t begin, std::uint64_t end);
    void flush_own(Cpu& self, std::uint64_t begin, std::uint64_t end, std::uint64_t target);

    SpinLock lock_{LockRank::kAddressSpace};
    Physical top_ = 0;
    std::atomic<std::uint32_t> unmapping_{
        0};  // raised under the lock: unmaps that have cleared entries and not shot them down
};

template <class Use>
core::Result<void> AddressSpace::with_page(std::uint64_t address, abi::Rights access, Use use) {
    SpinGuard guard(lock_);
    void* bytes = resolve(address, access);
    if (!bytes) return core::fail(abi::Error::kBadAddress);
    use(static_cast<std::byte*>(bytes), abi::kPageSize - address % abi::kPageSize);
    return {};
}

// On this CPU. `space` nullptr: the kernel's own table.
void load_space(Cpu& cpu, AddressSpace* space);
// Flushes if the loaded space has a newer generation than this CPU has seen.
void serve_shootdown(Cpu& cpu);

}  // namespace cox
