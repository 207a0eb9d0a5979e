// SPDX-License-Identifier: MIT
#include "kernel/address_space.hpp"

#include <algorithm>
#include <array>

#include "arch/asm.hpp"
#include "arch/paging.hpp"
#include "kernel/cpu.hpp"
#include "kernel/trace.hpp"

namespace cox {

using abi::Error;
using arch::physical_to_virtual;

namespace {

constexpr std::uint64_t kChunk = 64;  // pages that one shootdown covers

void free_tables(Physical table, unsigned level) {
    auto* entries = physical_to_virtual<arch::Table>(table);
    const unsigned count = level == 3 ? 256 : 512;  // the upper half is shared
    for (unsigned i = 0; i < count; ++i) {
        if (!(entries[i] & arch::kPresent)) continue;
        const Physical next = entries[i] & arch::kAddressMask;
        if (level == 0)
            release_frame(next);
        else
            free_tables(next, level - 1);
    }
    release_frame(table);
}

}  // namespace

core::Result<void> AddressSpace::init() {
    const auto top = allocate_zeroed_frame();
    if (!top) return core::fail(Error::kNoMemory);
    top_ = *top;
    std::copy_n(physical_to_virtual<arch::Table>(arch::kernel_top()) + 256, 256,
                physical_to_virtual<arch::Table>(top_) + 256);
    return {};
}

AddressSpace::~AddressSpace() {
    if (top_) free_tables(top_, 3);
}

core::Result<void> AddressSpace::check_range(std::uint64_t address, std::uint64_t pages) const {
    if (address % abi::kPageSize) return core::fail(Error::kMisaligned);
    if (pages == 0 || pages > abi::kMaxPagesPerCall) return core::fail(Error::kBadArgument);
    // The last page below the hole stays free: a system call there would return to a non-canonical address.
    constexpr auto kTop = abi::kUserTop - abi::kPageSize;
    if (address < abi::kUserBottom || address >= kTop || pages > (kTop - address) / abi::kPageSize) {
        return core::fail(Error::kBadAddress);
    }
    return {};
}

core::Result<void> AddressSpace::map(MemoryObject& memory, std::uint64_t first_page, std::uint64_t address,
                                     std::uint64_t pages, abi::Rights access, abi::Rights allowed) {
    TRY(check_range(address, pages));
    if (!(access & abi::kRead) || access & ~(abi::kRead | abi::kWrite | abi::kExecute)) {
        return core::fail(Error::kBadArgument);
    }
    if (access & abi::kWrite && access & abi::kExecute) return core::fail(Error::kWriteExecute);
    if (first_page >= memory.pages() || pages > memory.pages() - first_page)
        return core::fail(Error::kBadArgument);
    Error error = Error::kOk;
    std::uint64_t done = 0;
    {
        SpinGuard guard(lock_);
        for (; done < pages; ++done) {
            auto* entry = arch::make_entry(top_, address + done * abi::kPageSize, true);
            if (!entry || *entry & arch::kPresent) {
                error = entry ? Error::kOverlap : Error::kNoMemory;
                break;
            }
            const Physical frame = memory.frame(first_page + done);
            hold_frame(frame);
            *entry = arch::user_entry(frame, access, allowed);
        }
    }
    if (error == Error::kOk) return {};
    if (done) TRY(unmap(address, done));
    return core::fail(error);
}

// Clears up to `room` present entries from `address` on; the frames that they held.
std::uint64_t AddressSpace::clear(std::uint64_t& address, std::uint64_t end, Physical* frames,
                                  std::uint64_t room) {
    std::uint64_t count = 0;
    SpinGuard guard(lock_);
    for (; address < end && count < room; address += abi::kPageSize) {
        auto* entry = arch::find_entry(top_, address);
        if (!entry || !(*entry & arch::kPresent)) continue;
        frames[count++] = *entry & arch::kAddressMask;
        *entry = 0;
    }
    return count;
}

core::Result<void> AddressSpace::unmap(std::uint64_t address, std::uint64_t pages) {
    TRY(check_range(address, pages));
    const auto end = address + pages * abi::kPageSize;
    std::array<Physical, kChunk> frames;
    while (address < end) {
        const auto count = clear(address, end, frames.data(), frames.size());
        if (count == 0) continue;
        shoot_down();
        for (std::uint64_t i = 0; i < count; ++i) release_frame(frames[i]);
    }
    return {};
}

core::Result<void> AddressSpace::protect(std::uint64_t address, std::uint64_t pages, abi::Rights access) {
    TRY(check_range(address, pages));
    if (!(access & abi::kRead) || access & ~(abi::kRead | abi::kWrite | abi::kExecute)) {
        return core::fail(Error::kBadArgument);
    }
    if (access & abi::kWrite && access & abi::kExecute) return core::fail(Error::kWriteExecute);
    {
        SpinGuard guard(lock_);
        for (std::uint64_t i = 0; i < pages; ++i) {
            auto* entry = arch::find_entry(top_, address + i * abi::kPageSize);
            if (!entry || !(*entry & arch::kPresent)) return core::fail(Error::kBadAddress);
            if (access & ~arch::allowed_rights(*entry)) return core::fail(Error::kNoRight);
        }
        for (std::uint64_t i = 0; i < pages; ++i) {
            auto* entry = arch::find_entry(top_, address + i * abi::kPageSize);
            *entry = arch::user_entry(*entry & arch::kAddressMask, access, arch::allowed_rights(*entry));
        }
    }
    shoot_down();
    return {};
}

void* AddressSpace::resolve(std::uint64_t address, abi::Rights access) {
    if (address >= abi::kUserTop) return nullptr;
    const auto* entry = arch::find_entry(top_, address);
    if (!entry || !(*entry & arch::kPresent)) return nullptr;
    if (access & abi::kWrite && !(*entry & arch::kWritable)) return nullptr;
    return physical_to_virtual((*entry & arch::kAddressMask) + address % abi::kPageSize);
}

void AddressSpace::shoot_down() {
    Cpu& self = this_cpu();
    ++self.stats.shootdowns;
    const auto target = generation.fetch_add(1) + 1;
    arch::full_fence();  // pairs with the fence in load_space
    const auto behind = [&](const Cpu& cpu) {
        return cpu.active_space.load() == this && cpu.seen_generation.load() < target;
    };
    std::uint64_t waiting = 0;
    for (Cpu& cpu : online_cpus()) {
        if (&cpu == &self || !behind(cpu)) continue;
        waiting |= std::uint64_t{1} << cpu.number;
        send_reschedule(self, cpu);
    }
    if (tracing(core::kTraceShootdown)) trace(core::TraceEvent::kShootdown, {}, waiting, target);
    serve_shootdown(self);
    for (Cpu& cpu : online_cpus()) {
        if (!(waiting >> cpu.number & 1)) continue;
        while (behind(cpu)) {
            arch::pause();
            serve_shootdown(self);
        }
    }
    if (tracing(core::kTraceShootdown)) trace(core::TraceEvent::kShotDown, {}, waiting, target);
}

void load_space(Cpu& cpu, AddressSpace* space) {
    if (cpu.active_space.load(std::memory_order_relaxed) == space) return;
    cpu.seen_generation.store(0);
    cpu.active_space.store(space);
    arch::full_fence();  // pairs with the fence in shoot_down
    const auto generation = space ? space->generation.load() : 0;
    arch::write_cr3(space ? space->top() : arch::kernel_top());
    cpu.loaded_space.store(space);
    cpu.seen_generation.store(generation);
}

void serve_shootdown(Cpu& cpu) {
    AddressSpace* space = cpu.active_space.load(std::memory_order_relaxed);
    if (!space) return;
    const auto generation = space->generation.load();
    if (cpu.seen_generation.load(std::memory_order_relaxed) == generation) return;
    arch::write_cr3(arch::read_cr3());
    cpu.seen_generation.store(generation);
}

}  // namespace cox
