// SPDX-License-Identifier: MIT
#include "core/acpi.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "support/acpi_tables.hpp"
#include "support/fake_memory.hpp"
#include "support/mutate.hpp"

using namespace cox::core;
using namespace cox::test;

namespace {

constexpr std::uint64_t kRsdp = 0xf5a30;
constexpr std::uint32_t kRoot = 0x7fe1000;
constexpr std::uint32_t kMadt = 0x7fe2000;
constexpr std::uint32_t kFadt = 0x7fe3000;
constexpr std::uint32_t kHpet = 0x7fe4000;
constexpr std::uint32_t kOther = 0x7fe5000;

ByteVector two_cpus() { return MadtBody().lapic(0).lapic(1).io_apic().table(); }

// ACPI 1.0, as SeaBIOS offers it.
struct Machine {
    FakeMemory memory;

    Machine() {
        memory.put(kRsdp, rsdp(0, kRoot, 0));
        memory.put(kRoot, rsdt({kFadt, kMadt, kHpet, kOther}));
        memory.put(kMadt, two_cpus());
        memory.put(kFadt, fadt({}));
        memory.put(kHpet, hpet(0, 0xfed00000));
        memory.put(kOther, acpi_table("WAET", ByteWriter().u32(0)));
    }
    [[nodiscard]] std::expected<AcpiInfo, AcpiError> parse() const { return parse_acpi_at(kRsdp, memory); }
    [[nodiscard]] AcpiError error() const {
        const auto result = parse();
        REQUIRE_FALSE(result.has_value());
        return result.error();
    }
};

std::vector<std::uint32_t> ids(const Madt& madt) { return {madt.cpus().begin(), madt.cpus().end()}; }

Madt madt_of(const MadtBody& body) {
    const auto madt = parse_madt(body.table());
    REQUIRE(madt.has_value());
    return *madt;
}

AcpiError madt_error(const MadtBody& body) {
    const auto madt = parse_madt(body.table());
    REQUIRE_FALSE(madt.has_value());
    return madt.error();
}

}  // namespace

TEST_CASE("acpi: tables as a BIOS writes them") {
    const auto info = Machine().parse();
    REQUIRE(info.has_value());
    CHECK(ids(info->madt) == std::vector<std::uint32_t>{0, 1});
    CHECK(info->madt.lapic_base == 0xfee00000);
    REQUIRE(info->pm_timer.has_value());
    CHECK(info->pm_timer->port == 0x608);
    CHECK(info->pm_timer->is_32bit);
    CHECK(info->hpet_base == 0xfed00000);
}

TEST_CASE("acpi: from ACPI 2.0 on the XSDT is used") {
    Machine machine;
    constexpr std::uint64_t kHigh = 0x1'0000'0000;
    machine.memory.put(kRsdp, rsdp(2, 0xdead0000, kHigh));
    machine.memory.put(kHigh, xsdt({kHigh + 0x1000, 0, kMadt}));
    machine.memory.put(kHigh + 0x1000, fadt({.pm_timer = 0, .extended_address = 0xb008}));
    const auto info = machine.parse();
    REQUIRE(info.has_value());
    CHECK(info->madt.cpu_count == 2);
    CHECK(info->pm_timer->port == 0xb008);
    CHECK_FALSE(info->hpet_base.has_value());

    SECTION("but not where only the first 20 bytes of the RSDP were handed over, or the XSDT is not given") {
        ByteVector copy = rsdp(2, kRoot, kHigh);
        copy.resize(20);
        CHECK(parse_acpi(copy, machine.memory)->hpet_base == 0xfed00000);
        CHECK(parse_acpi(rsdp(2, kRoot, 0), machine.memory)->hpet_base == 0xfed00000);
    }
    SECTION("its checksum covers 36 bytes") {
        machine.memory.blocks()[kRsdp][35] = std::byte{1};
        CHECK(machine.error() == AcpiError::kRsdpChecksum);
        machine.memory.blocks()[kRsdp].resize(35);
        CHECK(machine.error() == AcpiError::kRsdpUnreadable);
    }
    SECTION("an XSDT that calls itself RSDT is refused") {
        machine.memory.put(kHigh, rsdt({kMadt}));
        CHECK(machine.error() == AcpiError::kRootSignature);
    }
}

TEST_CASE("acpi: a bad RSDP or table is refused with its reason") {
    Machine machine;
    auto& blocks = machine.memory.blocks();
    SECTION("RSDP unreadable") {
        machine.memory.remove(kRsdp);
        CHECK(machine.error() == AcpiError::kRsdpUnreadable);
    }
    SECTION("RSDP signature") {
        blocks[kRsdp][0] = std::byte{'r'};
        CHECK(machine.error() == AcpiError::kRsdpSignature);
    }
    SECTION("RSDP checksum") {
        blocks[kRsdp][10] ^= std::byte{1};
        CHECK(machine.error() == AcpiError::kRsdpChecksum);
    }
    SECTION("RSDP short") {
        CHECK(parse_acpi(Bytes(blocks[kRsdp]).first(19), machine.memory).error() == AcpiError::kRsdpTooShort);
    }
    SECTION("no root") {
        machine.memory.put(kRsdp, rsdp(0, 0, 0));
        CHECK(machine.error() == AcpiError::kNoRootTable);
    }
    SECTION("root unreadable") {
        machine.memory.remove(kRoot);
        CHECK(machine.error() == AcpiError::kTableUnreadable);
    }
    SECTION("root checksum") {
        blocks[kRoot].back() ^= std::byte{1};
        CHECK(machine.error() == AcpiError::kTableChecksum);
    }
    SECTION("root is another table") {
        machine.memory.put(kRoot, two_cpus());
        CHECK(machine.error() == AcpiError::kRootSignature);
    }
    SECTION("table checksum: of those used") {
        for (const std::uint32_t table : {kMadt, kFadt, kHpet}) {
            Machine bad;
            bad.memory.blocks()[table].back() ^= std::byte{1};
            CHECK(bad.error() == AcpiError::kTableChecksum);
        }
    }
    SECTION("table checksum: not of those nobody needs") {
        blocks[kOther].back() ^= std::byte{1};
        CHECK(machine.parse().has_value());
    }
    SECTION("table length") {
        for (const std::uint32_t length : {0u, 35u, 0xffffffffu}) {
            std::memcpy(blocks[kMadt].data() + 4, &length, sizeof(length));
            CHECK(machine.error() == AcpiError::kTableLength);
        }
    }
    SECTION("table longer than what is readable") {
        const std::uint32_t length = 4096;
        std::memcpy(blocks[kMadt].data() + 4, &length, sizeof(length));
        CHECK(machine.error() == AcpiError::kTableUnreadable);
    }
    SECTION("no MADT") {
        machine.memory.put(kRoot, rsdt({kFadt, kHpet}));
        CHECK(machine.error() == AcpiError::kNoMadt);
        machine.memory.put(kRoot, rsdt({}));
        CHECK(machine.error() == AcpiError::kNoMadt);
    }
    SECTION("tables too short for their fields") {
        machine.memory.put(kFadt, acpi_table("FACP", ByteWriter().zeros(115 - 36)));
        CHECK(machine.error() == AcpiError::kFadtTooShort);
        machine.memory.put(kFadt, fadt({}));
        machine.memory.put(kHpet, acpi_table("HPET", ByteWriter().zeros(51 - 36)));
        CHECK(machine.error() == AcpiError::kHpetTooShort);
    }
}

TEST_CASE("acpi: which PM timer is believed") {
    const auto timer = [](const FadtFields& fields) {
        Machine machine;
        machine.memory.put(kFadt, fadt(fields));
        return machine.parse()->pm_timer;
    };
    CHECK(timer({.flags = 0})->is_32bit == false);
    CHECK(timer({.extended = false})->port == 0x608);
    CHECK(timer({.extended_space = 0})->port == 0x608);  // the extended address is not set
    CHECK_FALSE(timer({.extended_space = 0, .extended_address = 0xfed80000}));
    CHECK_FALSE(timer({.pm_timer_length = 0}));
    CHECK_FALSE(timer({.pm_timer = 0}));
    CHECK_FALSE(timer({.pm_timer = 0x10000}));
    CHECK_FALSE(timer({.pm_timer = 0xfffd}));
    CHECK_FALSE(timer({.flags = 1 << 20}));  // hardware-reduced
}

TEST_CASE("acpi: an HPET that is not in memory is none") {
    Machine machine;
    machine.memory.put(kHpet, hpet(1, 0xfed00000));
    CHECK_FALSE(machine.parse()->hpet_base.has_value());
    machine.memory.put(kHpet, hpet(0, 0));
    CHECK_FALSE(machine.parse()->hpet_base.has_value());
}

TEST_CASE("madt: processors in the table's order") {
    CHECK(ids(madt_of(MadtBody().lapic(6).lapic(0).lapic(2))) == std::vector<std::uint32_t>{6, 0, 2});
    CHECK(ids(madt_of(MadtBody().x2apic(0x100).lapic(1))) == std::vector<std::uint32_t>{0x100, 1});
    CHECK(ids(madt_of(MadtBody().lapic(1).x2apic(1).lapic(1))) == std::vector<std::uint32_t>{1});
    CHECK(ids(madt_of(MadtBody().lapic(0xff).x2apic(0xff).x2apic(0xffffffff))) ==
          std::vector<std::uint32_t>{0xff});

    const Madt some = madt_of(MadtBody().lapic(0).lapic(1, 0).lapic(2, 2).lapic(3, 3));
    CHECK(ids(some) == std::vector<std::uint32_t>{0, 3});
    CHECK(some.cpus_not_enabled == 2);

    CHECK(madt_of(MadtBody(0xfee00000).lapic(0).lapic_override(0x1'fee00000)).lapic_base == 0x1'fee00000);
    CHECK(ids(madt_of(MadtBody().raw({0x42, 3, 0}).lapic(5).raw({0x80, 2}))) ==
          std::vector<std::uint32_t>{5});
}

TEST_CASE("madt: more processors than fit are counted") {
    MadtBody body;
    for (std::uint32_t id = 0; id < 70; ++id) {
        body.x2apic(id * 2);
    }
    const Madt madt = madt_of(body);
    CHECK(madt.cpu_count == 64);
    CHECK(madt.apic_ids[63] == 126);
    CHECK(madt.cpus_beyond_limit == 6);
}

TEST_CASE("madt: malformed entries are errors, never loops") {
    CHECK(madt_error(MadtBody().lapic(0).raw({0, 0})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody().lapic(0).raw({0, 1})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody().lapic(0).raw({0})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody().lapic(0).raw({0x42, 3})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody().lapic(0).raw({0, 7, 1, 1, 1, 0, 0})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody().lapic(0).raw({9, 8, 0, 0, 1, 0, 0, 0})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody().lapic(0).raw({5, 8, 0, 0, 1, 0, 0, 0})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody()) == AcpiError::kNoCpus);
    CHECK(madt_error(MadtBody().lapic(0, 0)) == AcpiError::kNoCpus);
    CHECK(parse_madt(acpi_table("APIC", ByteWriter().u32(0))).error() == AcpiError::kMadtTooShort);
    CHECK(parse_madt({}).error() == AcpiError::kMadtTooShort);
}

TEST_CASE("madt: interrupt lines") {
    const Madt plain = madt_of(MadtBody().lapic(0));
    CHECK(plain.io_apics().empty());
    for (std::uint32_t i = 0; i < Madt::kIsaLines; ++i) {
        CHECK(plain.isa_lines[i].line == i);
        CHECK(plain.isa_lines[i].mode == LineMode{});
    }
    // As QEMU's pc has it, and a second I/O APIC.
    const Madt madt = madt_of(MadtBody()
                                  .lapic(0)
                                  .io_apic()
                                  .io_apic(0xfec10000, 24)
                                  .line_override(0, 2, 0)
                                  .line_override(5, 5, 0xd)
                                  .line_override(9, 20, 0xf)
                                  .line_override(16, 7, 0xf));
    REQUIRE(madt.io_apics().size() == 2);
    CHECK(madt.io_apics()[0].address == 0xfec00000);
    CHECK(madt.io_apics()[0].first_line == 0);
    CHECK(madt.io_apics()[1].address == 0xfec10000);
    CHECK(madt.io_apics()[1].first_line == 24);
    CHECK(madt.isa_lines[0].line == 2);
    CHECK(madt.isa_lines[0].mode == LineMode{});
    CHECK(madt.isa_lines[5].line == 5);
    CHECK(madt.isa_lines[5].mode == LineMode{.level = true, .active_low = false});
    CHECK(madt.isa_lines[9].line == 20);
    CHECK(madt.isa_lines[9].mode == LineMode{.level = true, .active_low = true});
    CHECK(madt.isa_lines[7].line == 7);
    // More than there is room for.
    MadtBody many;
    many.lapic(0);
    for (std::uint32_t i = 0; i < 6; ++i) {
        many.io_apic(0xfec00000 + i * 0x1000, i * 24);
    }
    CHECK(madt_of(many).io_apics().size() == Madt::kMaxIoApics);
    // Cut off.
    CHECK(madt_error(MadtBody().lapic(0).raw({1, 8, 0, 0, 0, 0, 0xc0, 0xfe})) == AcpiError::kMadtEntryLength);
    CHECK(madt_error(MadtBody().lapic(0).raw({2, 9, 0, 0, 2, 0, 0, 0, 0})) == AcpiError::kMadtEntryLength);
}

TEST_CASE("acpi: no truncation and no mutation of any table reads outside or hangs") {
    Machine whole;
    for (const std::uint64_t block :
         {kRsdp, std::uint64_t{kRoot}, std::uint64_t{kMadt}, std::uint64_t{kFadt}, std::uint64_t{kHpet}}) {
        const ByteVector sample = whole.memory.blocks()[block];
        for_each_truncation(sample, [&](Bytes cut, std::size_t) {
            Machine machine;
            machine.memory.put(block, ByteVector(cut.begin(), cut.end()));
            CHECK_FALSE(machine.parse().has_value());
        });
        Machine machine;
        for_each_mutation(sample, block, 2000, [&](Bytes bytes) {
            ByteVector input(bytes.begin(), bytes.end());
            machine.memory.put(block, input);
            (void)machine.parse();
            // With the sum put right again the fields themselves are exercised.
            fix_checksum(input, block == kRsdp ? 8 : 9, input.size());
            machine.memory.put(block, input);
            (void)machine.parse();
        });
    }
    for (int error = 0; error <= static_cast<int>(AcpiError::kHpetTooShort); ++error) {
        CHECK(describe(static_cast<AcpiError>(error)) != "unknown ACPI error");
    }
}

TEST_CASE("madt: cut and mutated tables whose sum is right") {
    const ByteVector sample = MadtBody().lapic(0).x2apic(300).lapic_override(0xfee00000).io_apic().table();
    for_each_truncation(sample, [&](Bytes cut, std::size_t) { (void)parse_madt(cut); });
    for_each_mutation(sample, 7, 20000, [](Bytes bytes) {
        if (const auto madt = parse_madt(bytes)) {
            CHECK(madt->cpu_count >= 1);
            CHECK(madt->cpu_count <= 64);
        }
    });
}
