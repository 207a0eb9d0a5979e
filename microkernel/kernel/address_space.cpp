// SPDX-License-Identifier: MIT
#include "kernel/address_space.hpp"

#include <algorithm>
#include <array>

#include "arch/asm.hpp"
#include "arch/paging.hpp"
#include "kernel/cpu.hpp"
#include "kernel/selftest.hpp"
#include "kernel/trace.hpp"

namespace cox {

using abi::Error;
using arch::physical_to_virtual;

namespace {

constexpr std::uint64_t kChunk = 64;     // pages that one shootdown covers
constexpr std::uint64_t kFewPages = 16;  // so many are flushed one by one

// The entry of a page, after that of the page before it (nullptr: there is none): each table is walked to once.
arch::Table* next_entry(Physical top, arch::Table* before, std::uint64_t address) {
    return before && arch::table_index(address, 0) ? before + 1 : arch::find_entry(top, address);
}

core::Result<void> check_access(abi::Rights access) {
    if (!(access & abi::kRead) || access & ~(abi::kRead | abi::kWrite | abi::kExecute)) {
        return core::fail(Error::kBadArgument);
    }
    if (access & abi::kWrite && access & abi::kExecute) return core::fail(Error::kWriteExecute);
    return {};
}

// A page that is mapped and has no frame yet: its object holds it, and is held by it. Not present; what the hardware ignores then says
//
//     63                    19 18    8 7     5 4    2  1  0
//     | object's address / 64 | page  |allowed|access| 1| 0|
struct AwaitedPage {
    static constexpr std::uint64_t kMark = 2;
    static constexpr unsigned kAccessShift = 2, kAllowedShift = 5, kPageShift = 8, kObjectShift = 19;
    static_assert(abi::kMaxPagesPerObject <= 1 << (kObjectShift - kPageShift));

    static bool is(arch::Table entry) { return (entry & (arch::kPresent | kMark)) == kMark; }
    static arch::Table make(const MemoryObject& memory, std::uint64_t page, abi::Rights access,
                            abi::Rights allowed) {
        static_assert(alignof(MemoryObject) >= 64);
        return arch::virtual_to_physical(&memory) / 64 << kObjectShift | page << kPageShift |
               std::uint64_t{allowed & 7} << kAllowedShift | access << kAccessShift | kMark;
    }
    static MemoryObject& memory(arch::Table entry) {
        return *physical_to_virtual<MemoryObject>((entry >> kObjectShift) * 64);
    }
    static std::uint64_t page(arch::Table entry) {
        return entry >> kPageShift & (abi::kMaxPagesPerObject - 1);
    }
    static abi::Rights access(arch::Table entry) { return entry >> kAccessShift & 7; }
    static abi::Rights allowed(arch::Table entry) { return entry >> kAllowedShift & 7; }
};

abi::Rights allowed_of(arch::Table entry) {
    return AwaitedPage::is(entry) ? AwaitedPage::allowed(entry) : arch::allowed_rights(entry);
}

// Of what an entry held.
void let_go(arch::Table entry) {
    if (AwaitedPage::is(entry))
        AwaitedPage::memory(entry).release();
    else
        release_frame(entry & arch::kAddressMask);
}

// The page of an entry that is not 0 gets its frame. False: there is none. Under the space's lock; its object may go with it, which
// takes locks that come later.
[[gnu::noinline]] bool make_present(arch::Table& entry) {
    MemoryObject& memory = AwaitedPage::memory(entry);
    const auto frame = memory.touch(AwaitedPage::page(entry));
    if (!frame) return false;
    hold_frame(*frame);
    entry = arch::user_entry(*frame, AwaitedPage::access(entry), AwaitedPage::allowed(entry));
    memory.release();
    return true;
}
bool bring_in_page(arch::Table& entry) { return entry & arch::kPresent || make_present(entry); }

// Whether the entry's page can be accessed so; it gets its frame, if it has none yet. Under the space's lock.
bool is_usable(arch::Table& entry, abi::Rights access) {
    return entry && bring_in_page(entry) && !(access & abi::kWrite && !(entry & arch::kWritable)) &&
           !(access & abi::kExecute && entry & arch::kNoExecute);
}

void free_tables(Physical table, unsigned level) {
    auto* entries = physical_to_virtual<arch::Table>(table);
    const unsigned count = level == 3 ? 256 : 512;  // the upper half is shared
    for (unsigned i = 0; i < count; ++i) {
        if (!entries[i]) continue;
        if (level == 0)
            let_go(entries[i]);
        else
            free_tables(entries[i] & arch::kAddressMask, level - 1);
    }
    release_frame(table);
}

}  // namespace

core::Result<void> AddressSpace::init() {
    top_ = TRY(allocate_charged_frame(payer_));
    std::copy_n(physical_to_virtual<arch::Table>(arch::kernel_top()) + 256, 256,
                physical_to_virtual<arch::Table>(top_) + 256);
    return {};
}

AddressSpace::~AddressSpace() {
    if (top_) free_tables(top_, 3);
}

core::Result<void> AddressSpace::check_range(std::uint64_t address, std::uint64_t pages) {
    if (address % abi::kPageSize) return core::fail(Error::kMisaligned);
    if (pages == 0 || pages > abi::kMaxPagesPerCall) return core::fail(Error::kBadArgument);
    // The last page below the hole stays free: a system call there would return to a non-canonical address.
    constexpr auto kTop = abi::kUserTop - abi::kPageSize;
    if (address < abi::kUserBottom || address > kTop - pages * abi::kPageSize) {
        return core::fail(Error::kBadAddress);
    }
    return {};
}

// Fills entries from page `done` on, until it meets one that is in use, or for which it has no table.
[[gnu::always_inline]] inline AddressSpace::Filled AddressSpace::fill(const Pages& what, std::uint64_t done,
                                                                      std::span<const Physical>* tables) {
    Error stopped = Error::kOk;
    SpinGuard guard(lock_);
    for (arch::Table* entry = nullptr; done < what.count; ++done) {
        const auto at = what.address + done * abi::kPageSize;
        entry = next_entry(top_, entry, at);
        if (!entry && tables) entry = arch::make_entry(top_, at, *tables);
        if (!entry || *entry) {
            stopped = entry ? Error::kOverlap : Error::kNoMemory;
            break;
        }
        if (const Physical frame = what.memory.frame(what.first_page + done)) [[likely]] {
            hold_frame(frame);
            *entry = frame | what.flags;
        } else {
            what.memory.retain();
            *entry = AwaitedPage::make(what.memory, what.first_page + done, what.access, what.allowed);
        }
    }
    return {done, stopped, unmapping_ != 0};
}

// The same where tables are missing: all of them are made, or none, for kQuota or kNoMemory. Tables are never taken away, so as
// many as are missing now are enough.
[[gnu::noinline]] AddressSpace::Filled AddressSpace::fill_with_tables(const Pages& what, std::uint64_t done) {
    std::array<Physical, arch::kMaxMissingTables> frames;
    std::size_t count = 0;
    const auto missing = arch::missing_tables(top_, what.address + done * abi::kPageSize,
                                              what.address + (what.count - 1) * abi::kPageSize);
    Filled filled{done, Error::kOk, false};
    while (count < missing && filled.stopped == Error::kOk) {
        if (const auto frame = allocate_charged_frame(payer_))
            frames[count++] = *frame;
        else
            filled.stopped = frame.error();
    }
    std::span<const Physical> unused(frames.data(), count);
    if (filled.stopped == Error::kOk) filled = fill(what, done, &unused);
    for (const auto frame : unused) release_frame(frame);
    return filled;
}

core::Result<void> AddressSpace::map(MemoryObject& memory, std::uint64_t first_page, std::uint64_t address,
                                     std::uint64_t pages, abi::Rights access, abi::Rights allowed) {
    TRY(check_range(address, pages));
    TRY(check_access(access));
    if (!memory.has(first_page, pages)) return core::fail(Error::kBadArgument);
    const Pages what{memory, first_page, address, pages, arch::user_entry(0, access, allowed),
                     access, allowed};
    auto filled = fill(what, 0, nullptr);
    if (filled.stopped == Error::kNoMemory) [[unlikely]]
        filled = fill_with_tables(what, filled.done);
    if (filled.stopped == Error::kOk) {
        // What an unmap has cleared here a moment ago may still be in use.
        if (filled.flush) shoot_down(address, address + pages * abi::kPageSize);
        return {};
    }
    if (filled.done) TRY(unmap(address, filled.done));
    return core::fail(filled.stopped);
}

// Clears up to kChunk entries that are not 0 from `address` on; what they were. `flush`: another's, cleared there a moment
// ago, may still be in use.
std::uint64_t AddressSpace::clear(std::uint64_t& address, std::uint64_t end, std::uint64_t* entries,
                                  bool& flush) {
    std::uint64_t count = 0;
    SpinGuard guard(lock_);
    for (arch::Table* entry = nullptr; address < end && count < kChunk; address += abi::kPageSize) {
        entry = next_entry(top_, entry, address);
        if (!entry || !*entry) continue;
        entries[count++] = *entry;
        *entry = 0;
    }
    flush = count || unmapping_;
    if (flush) unmapping_.fetch_add(1);
    return count;
}

core::Result<void> AddressSpace::unmap(std::uint64_t address, std::uint64_t pages) {
    TRY(check_range(address, pages));
    const auto end = address + pages * abi::kPageSize;
    std::array<arch::Table, kChunk> entries;
    while (address < end) {
        const auto begin = address;
        bool flush;
        const auto count = clear(address, end, entries.data(), flush);
        if (!flush) continue;
        shoot_down(begin, address);
        unmapping_.fetch_sub(1);
        for (std::uint64_t i = 0; i < count; ++i) let_go(entries[i]);
    }
    return {};
}

core::Result<void> AddressSpace::protect(std::uint64_t address, std::uint64_t pages, abi::Rights access) {
    TRY(check_range(address, pages));
    TRY(check_access(access));
    const auto end = address + pages * abi::kPageSize;
    {
        SpinGuard guard(lock_);
        arch::Table* entry = nullptr;
        for (auto a = address; a < end; a += abi::kPageSize) {
            entry = next_entry(top_, entry, a);
            if (!entry || !*entry) return core::fail(Error::kBadAddress);
            if (access & ~allowed_of(*entry)) return core::fail(Error::kNoRight);
        }
        entry = nullptr;
        for (auto a = address; a < end; a += abi::kPageSize) {
            entry = next_entry(top_, entry, a);
            *entry =
                AwaitedPage::is(*entry)
                    ? AwaitedPage::make(AwaitedPage::memory(*entry), AwaitedPage::page(*entry), access,
                                        AwaitedPage::allowed(*entry))
                    : arch::user_entry(*entry & arch::kAddressMask, access, arch::allowed_rights(*entry));
        }
    }
    shoot_down(address, end);
    return {};
}

core::Result<void> AddressSpace::hold_pages(std::uint64_t address, std::span<Physical> frames,
                                            abi::Rights access) {
    SpinGuard guard(lock_);
    arch::Table* entry = nullptr;
    for (Physical& frame : frames) {
        entry = address < abi::kUserTop ? next_entry(top_, entry, address) : nullptr;
        if (!entry || !is_usable(*entry, access)) return core::fail(Error::kBadAddress);
        frame = *entry & arch::kAddressMask;
        address += abi::kPageSize;
    }
    for (const Physical frame : frames) hold_frame(frame);
    return {};
}

bool AddressSpace::find_page(Page& page, std::uint64_t address) const {
    const auto seen = generation.load();  // first: a change after it makes the page stale
    const auto entry = address < abi::kUserTop ? arch::read_entry(top_, address) : 0;
    if (!entry) return false;
    page = {address / abi::kPageSize, seen, physical_to_virtual<std::byte>(entry & arch::kAddressMask)};
    return true;
}

void* AddressSpace::resolve(std::uint64_t address, abi::Rights access) {
    if (address >= abi::kUserTop) return nullptr;
    auto* entry = arch::find_entry(top_, address);
    if (!entry || !is_usable(*entry, access)) return nullptr;
    return physical_to_virtual((*entry & arch::kAddressMask) + address % abi::kPageSize);
}

bool AddressSpace::bring_in(std::uint64_t address, abi::Rights access) {
    SpinGuard guard(lock_);
    return resolve(address, access) != nullptr;
}

// This CPU's own part: few pages one by one, unless it is behind with others' changes anyway.
void AddressSpace::flush_own(Cpu& self, std::uint64_t begin, std::uint64_t end, std::uint64_t target) {
    if (self.active_space.load(std::memory_order_relaxed) != this) return;
    const bool behind = self.seen_generation.load(std::memory_order_relaxed) != target - 1;
    if (behind || end - begin > kFewPages * abi::kPageSize) {
        arch::write_cr3(arch::read_cr3());
    } else {
        for (; begin < end; begin += abi::kPageSize) arch::invalidate_page(begin);
    }
    self.stats.shootdowns_served += behind;
    self.seen_generation.store(target);
}

void AddressSpace::shoot_down(std::uint64_t begin, std::uint64_t end) {
    Cpu& self = this_cpu();
    const auto target = generation.fetch_add(1) + 1;
    arch::full_fence();  // pairs with the fence in load_space
    const auto behind = [&](const Cpu& cpu) {
        return cpu.active_space.load() == this && cpu.seen_generation.load() < target;
    };
    const auto cpus = online_cpus();
    std::uint64_t waiting = 0, sent = 0;
    for (Cpu& cpu : cpus) {
        if (&cpu == &self || !behind(cpu)) continue;
        waiting |= std::uint64_t{1} << cpu.number;
        ++sent;
        send_reschedule(self, cpu);
    }
    ++self.stats.shootdowns;
    self.stats.shootdown_ipis += sent;
    self.stats.shootdown_ipis_avoided += cpus.size() - 1 - sent;
    if (tracing(core::kTraceShootdown)) trace(core::TraceEvent::kShootdown, {}, waiting, target);
    flush_own(self, begin, end, target);
    for (Cpu& cpu : cpus.first(waiting ? cpus.size() : 0)) {
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
    if (!keeps_tlb) arch::write_cr3(arch::read_cr3());
    ++cpu.stats.shootdowns_served;
    cpu.seen_generation.store(generation);
}

}  // namespace cox
