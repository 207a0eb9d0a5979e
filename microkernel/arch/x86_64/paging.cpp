// SPDX-License-Identifier: MIT
#include "arch/paging.hpp"

#include <algorithm>
#include <array>

#include "arch/asm.hpp"
#include "arch/entry_offsets.h"
#include "arch/features.hpp"
#include "core/assert.hpp"

extern "C" char boot_start[], boot_end[], text_start[], text_end[], rodata_start[], rodata_end[],
    data_start[], data_end[], boot_stack_guard[];

namespace cox::arch {

namespace {

constexpr std::uint64_t kLargePage = 2 << 20, kHugePage = 1 << 30;
// Below it, device pages need 2 MiB granularity.
constexpr std::uint64_t kDevicesEnd = std::uint64_t{4} << 30;
constexpr std::uint64_t kGuardPages = 2, kStackPages = kStackBytes / 4096, kIstPages = IST_STACK_SIZE / 4096,
                        kStackStride = 32;
constexpr std::uint64_t kFirstIst = kGuardPages + kStackPages, kIstStride = kGuardPages + kIstPages;
static_assert(kFirstIst + kIstStacks * kIstStride <= kStackStride);
static_assert((kFirstIst + kGuardPages) % kIstPages == 0 && kIstStride % kIstPages == 0 &&
              kStackStride % kIstPages == 0);  // entry.S finds a stack's bottom by its alignment
Physical top_table;

std::uint64_t no_execute() { return features.nx ? kNoExecute : 0; }

Table* boot_entry(std::uint64_t address) {
    Table* entry = make_entry(top_table, address, false);
    COX_ASSERT(entry != nullptr);
    return entry;
}

// A table entry that leads to a table of its own, made if need be.
Table* next_table(Table& entry, bool user) {
    if (!(entry & kPresent)) {
        const auto frame = allocate_zeroed_frame();
        if (!frame) return nullptr;
        entry = *frame | kPresent | kWritable | (user ? kUser : 0);
    }
    return physical_to_virtual<Table>(entry & kAddressMask);
}

// Addresses in pages from kStackRegion.
std::uint64_t stack_page(unsigned cpu, std::uint64_t page) {
    return kStackRegion + (cpu * kStackStride + page) * 4096;
}

void map_stack(std::uint64_t bottom, std::uint64_t pages) {
    for (std::uint64_t i = 0; i < pages; ++i) {
        const auto frame = allocate_zeroed_frame();
        COX_ASSERT(frame.has_value());
        *boot_entry(bottom + i * 4096) = *frame | kPresent | kWritable | kGlobal | no_execute();
    }
}

void map_image(const char* start, const char* end, std::uint64_t flags) {
    for (auto a = reinterpret_cast<std::uint64_t>(start); a < reinterpret_cast<std::uint64_t>(end);
         a += 4096) {
        *boot_entry(a) = (a - kKernelBase) | kPresent | kGlobal | flags;
        // Its alias in the physical map is never executable, and writable only where the image is.
        *boot_entry(kPhysicalMap + a - kKernelBase) =
            (a - kKernelBase) | kPresent | kGlobal | no_execute() | (flags & kWritable);
    }
}

// The physical map: the largest pages that fit, but 4 KiB ones where the image lies.
void map_ram(std::uint64_t end) {
    const auto image_end = reinterpret_cast<std::uint64_t>(data_end) - kKernelBase;
    const std::uint64_t flags = kPresent | kWritable | kGlobal | no_execute();
    Table* top = physical_to_virtual<Table>(top_table);
    for (std::uint64_t a = 0; a < end;) {
        Table* pdpt = next_table(top[table_index(kPhysicalMap + a, 3)], false);
        if (features.huge_pages && a >= kDevicesEnd && a % kHugePage == 0 && end - a >= kHugePage) {
            pdpt[table_index(a, 2)] = a | flags | kHuge;
            a += kHugePage;
            continue;
        }
        Table* pd = next_table(pdpt[table_index(a, 2)], false);
        if (a >= image_end) {
            pd[table_index(a, 1)] = a | flags | kHuge;
            a += kLargePage;
            continue;
        }
        Table* pt = next_table(pd[table_index(a, 1)], false);
        for (unsigned i = 0; i < 512; ++i, a += 4096) pt[i] = a | flags;
    }
}

}  // namespace

Table* find_entry(Physical top, std::uint64_t address) {
    Table* table = physical_to_virtual<Table>(top);
    for (unsigned level = 3; level > 0; --level) {
        const Table entry = table[table_index(address, level)];
        if (!(entry & kPresent)) return nullptr;
        table = physical_to_virtual<Table>(entry & kAddressMask);
    }
    return &table[table_index(address, 0)];
}

Table* make_entry(Physical top, std::uint64_t address, bool user) {
    Table* table = physical_to_virtual<Table>(top);
    for (unsigned level = 3; level > 0 && table; --level) {
        table = next_table(table[table_index(address, level)], user);
    }
    return table ? &table[table_index(address, 0)] : nullptr;
}

std::uint64_t user_entry(Physical frame, abi::Rights access, abi::Rights allowed) {
    return frame | std::uint64_t{allowed & 7} << kAllowedShift | kPresent | kUser |
           (access & abi::kWrite ? kWritable : 0) | (access & abi::kExecute ? 0 : no_execute());
}

abi::Rights allowed_rights(std::uint64_t entry) { return entry >> kAllowedShift & 7; }

void build_kernel_tables(std::uint64_t ram_end) {
    const auto top = allocate_zeroed_frame();
    COX_ASSERT(top && *top < std::uint64_t{1} << 32);  // the trampoline loads it in 32-bit mode
    top_table = *top;
    map_ram(ram_end);
    map_image(text_start, text_end, 0);
    map_image(rodata_start, rodata_end, no_execute());
    map_image(data_start, data_end, kWritable | no_execute());
    *boot_entry(reinterpret_cast<std::uint64_t>(boot_stack_guard)) = 0;
    // Every top table shares the upper half, so all of its second-level tables must exist from now on.
    Table* entries = physical_to_virtual<Table>(top_table);
    COX_ASSERT(next_table(entries[table_index(kStackRegion, 3)], false) != nullptr);
    write_cr3(top_table);
}

Physical kernel_top() { return top_table; }

void map_device(Physical address) {
    Table* top = physical_to_virtual<Table>(top_table);
    const auto page = address & kAddressMask;
    Table* pdpt = next_table(top[table_index(kPhysicalMap + page, 3)], false);
    Table* pd = next_table(pdpt[table_index(page, 2)], false);
    Table& large = pd[table_index(page, 1)];
    if (large & kHuge) {  // RAM is mapped around it with one large page: devices get their own cache mode
        large |= kCacheDisable | kWriteThrough;
    } else {
        next_table(large, false)[table_index(page, 0)] =
            page | kPresent | kWritable | kGlobal | kCacheDisable | kWriteThrough | no_execute();
    }
    invalidate_page(kPhysicalMap + page);
}

std::uint64_t map_kernel_stack(unsigned cpu) {
    map_stack(stack_page(cpu, kGuardPages), kStackPages);
    return stack_page(cpu, kGuardPages + kStackPages);
}

std::uint64_t ist_stack_top(unsigned cpu, unsigned index) {
    return stack_page(cpu, kFirstIst + (index + 1) * kIstStride);
}

void map_ist_stacks(unsigned cpu, void* owner) {
    for (unsigned i = 0; i < kIstStacks; ++i) {
        const auto bottom = ist_stack_top(cpu, i) - IST_STACK_SIZE;
        map_stack(bottom, kIstPages);
        *reinterpret_cast<void**>(bottom) = owner;
    }
}

std::optional<Guard> find_guard(std::uint64_t address) {
    constexpr std::array<std::string_view, kIstStacks> kNames = {"NMI", "debug", "double fault",
                                                                 "machine check"};
    const auto boot = reinterpret_cast<std::uint64_t>(boot_stack_guard);
    if (address >= boot && address - boot < 4096) return Guard{0, "boot"};
    if (address < kStackRegion || address >= stack_page(abi::kMaxCpus, 0)) return {};
    const auto page = (address - kStackRegion) / 4096;
    const auto cpu = static_cast<unsigned>(page / kStackStride);
    const auto within = page % kStackStride;
    if (within < kGuardPages) return Guard{cpu, "kernel"};
    if (within < kFirstIst) return {};
    const auto index = (within - kFirstIst) / kIstStride;
    if (index >= kIstStacks || (within - kFirstIst) % kIstStride >= kGuardPages) return {};
    return Guard{cpu, kNames[index]};
}

}  // namespace cox::arch
