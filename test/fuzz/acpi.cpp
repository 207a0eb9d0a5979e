// SPDX-License-Identifier: MIT
//
// ACPI tables: the first byte of the input says whether checksums are put right before (else hardly anything would get
// past them), the rest is memory, with the RSDP at its beginning. Whatever is accepted is something to rely on; every
// table there is, and all, with its entries cut off or doubled, gives the same or an error.
#include "core/acpi.hpp"

#include <algorithm>
#include <set>

#include "../unit/support/acpi_tables.hpp"
#include "fuzz.hpp"
#include "memory_image.hpp"

namespace cox::fuzz {
namespace {

constexpr std::uint64_t kBase = MemoryImage::kBase;

void fix(ByteVector& memory, std::uint64_t sum_at, std::uint64_t begin, std::uint64_t length) {
    if (core::range_fits(begin, length, memory.size()) && sum_at < memory.size()) {
        memory[sum_at] = std::byte{0};
        unsigned sum = 0;
        for (std::uint64_t i = begin; i < begin + length; ++i) {
            sum += static_cast<unsigned>(memory[i]);
        }
        memory[sum_at] = static_cast<std::byte>(0u - sum);
    }
}

// `address`: of a table -> its length; 0: it is not in memory.
std::uint64_t fix_table(ByteVector& memory, std::uint64_t address) {
    const std::uint64_t at = address - kBase;
    const std::uint64_t length = core::read_le<std::uint32_t>(memory, at + 4).value_or(0);
    if (address < kBase || length < 36 || !core::range_fits(at, length, memory.size())) {
        return 0;
    }
    fix(memory, at + 9, at, length);
    return length;
}

// Tables first, the root table after them, the RSDP last: each sum covers what was put right before.
void fix_checksums(ByteVector& memory) {
    for (const bool wide : {false, true}) {
        const std::uint64_t root = wide ? core::read_le<std::uint64_t>(memory, 24).value_or(0)
                                        : core::read_le<std::uint32_t>(memory, 16).value_or(0);
        const std::uint64_t step = wide ? 8 : 4;
        const std::uint64_t length = fix_table(memory, root);
        for (std::uint64_t i = 36; i + step <= length && i < 36 + 16 * step; i += step) {
            const std::uint64_t at = root - kBase + i;
            fix_table(memory, wide ? core::read_le<std::uint64_t>(memory, at).value_or(0)
                                   : core::read_le<std::uint32_t>(memory, at).value_or(0));
        }
        fix_table(memory, root);
    }
    fix(memory, 8, 0, 20);
    fix(memory, 32, 0, 36);
}

void check_madt(const core::Madt& madt) {
    FUZZ_CHECK(madt.cpu_count >= 1 && madt.cpu_count <= core::Madt::kMaxCpus);
    const std::set<std::uint32_t> ids(madt.cpus().begin(), madt.cpus().end());
    FUZZ_CHECK(ids.size() == madt.cpu_count && !ids.contains(0xffffffff));
    FUZZ_CHECK(madt.cpus_beyond_limit == 0 || madt.cpu_count == core::Madt::kMaxCpus);
}

bool check(Bytes input) {
    if (input.empty()) {
        return false;
    }
    ByteVector bytes(input.begin() + 1, input.end());
    if (std::to_integer<unsigned>(input[0]) != 0) {
        fix_checksums(bytes);
    }
    // The same bytes as a MADT by itself.
    if (const auto madt = core::parse_madt(bytes)) {
        check_madt(*madt);
    }
    const MemoryImage memory(bytes);
    const auto info = core::parse_acpi_at(kBase, memory);
    if (!info) {
        FUZZ_CHECK(describe(info.error()) != "unknown ACPI error");
        return false;
    }
    check_madt(info->madt);
    FUZZ_CHECK(!info->pm_timer || (info->pm_timer->port != 0 && info->pm_timer->port <= 0xffff - 3));
    FUZZ_CHECK(info->hpet_base != std::uint64_t{0});
    // By a copy of the RSDP instead of its address: the same.
    const auto copied = core::parse_acpi(Bytes(bytes).first(std::min<std::size_t>(bytes.size(), 36)), memory);
    FUZZ_CHECK(copied && std::ranges::equal(copied->madt.cpus(), info->madt.cpus()));
    FUZZ_CHECK(copied->hpet_base == info->hpet_base && copied->madt.lapic_base == info->madt.lapic_base);
    return true;
}

// RSDP, root table at 64, then the others, each at a multiple of 64.
ByteVector image(bool wide) {
    const std::vector<ByteVector> tables = {
        test::MadtBody().lapic(0).lapic(1).lapic(2, 0).io_apic().lapic_override(0xfee00000).x2apic(3).table(),
        test::fadt({}), test::hpet(0, 0xfed00000)};
    constexpr std::uint32_t kRoot = kBase + 64;
    std::array<std::uint32_t, 3> at{};
    std::uint32_t next = kRoot + 128;
    for (std::size_t i = 0; i < tables.size(); ++i) {
        at[i] = next;
        next += static_cast<std::uint32_t>((tables[i].size() + 63) & ~std::size_t{63});
    }
    test::ByteWriter writer;
    writer.u8(1).append(test::rsdp(wide ? 2 : 0, wide ? 0 : kRoot, wide ? kRoot : 0));
    const auto pad_to = [&](std::uint64_t address) { writer.zeros(address - kBase + 1 - writer.size()); };
    pad_to(kRoot);
    writer.append(wide ? test::xsdt({at[0], at[1], at[2]}) : test::rsdt({at[0], at[1], at[2]}));
    for (std::size_t i = 0; i < tables.size(); ++i) {
        pad_to(at[i]);
        writer.append(tables[i]);
    }
    return writer.bytes();
}

std::vector<ByteVector> seeds() { return {image(false), image(true)}; }

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
