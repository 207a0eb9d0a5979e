// SPDX-License-Identifier: MIT
// The kernel's start, on the boot processor: read what the loader left, take over memory and CPUs, start the root task,
// dispatch for ever.
#include <algorithm>
#include <array>

#include "arch/features.hpp"
#include "arch/lapic.hpp"
#include "arch/paging.hpp"
#include "arch/serial.hpp"
#include "arch/timer.hpp"
#include "core/acpi.hpp"
#include "core/command_line.hpp"
#include "core/multiboot2.hpp"
#include "core/pvh.hpp"
#include "kernel/frames.hpp"
#include "kernel/hardening.hpp"
#include "kernel/irq.hpp"
#include "kernel/loader.hpp"
#include "kernel/log.hpp"
#include "kernel/panic.hpp"
#include "kernel/quota.hpp"
#include "kernel/run_queue.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/selftest.hpp"
#include "kernel/smp.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/trace.hpp"
#include "kernel/watchdog.hpp"

extern "C" char boot_start[], kernel_physical_end[];
extern "C" void (*init_array_start[])();
extern "C" void (*init_array_end[])();

namespace cox {

namespace {

enum class BootDoor : std::uint32_t { kMultiboot2 = 0, kPvh = 1, kUnknown = 2 };

constexpr std::uint64_t kBootMapEnd = std::uint64_t{4} << 30;  // boot.S maps this much

core::BootInfo boot;  // too large for the boot stack

constexpr auto kPhysicalView = [](std::uint64_t address, std::uint64_t length) -> core::Bytes {
    if (address == 0 || address >= kBootMapEnd || length > kBootMapEnd - address) return {};
    return {arch::physical_to_virtual<const std::byte>(address), length};
};

std::expected<core::BootInfo, core::BootError> parse(BootDoor door, std::uint32_t information) {
    if (door == BootDoor::kPvh) return core::parse_pvh(information, core::PhysView(kPhysicalView));
    const auto header = kPhysicalView(information, 8);
    const auto size = core::read_le<std::uint32_t>(header, 0);
    return core::parse_multiboot2(kPhysicalView(information, size.value_or(0)));
}

void take_memory(const core::BootModule& archive) {
    const std::array<core::MemoryRange, 2> reserved{{
        {reinterpret_cast<std::uint64_t>(boot_start),
         reinterpret_cast<std::uint64_t>(kernel_physical_end) - reinterpret_cast<std::uint64_t>(boot_start),
         false},
        {archive.base & ~(abi::kPageSize - 1), archive.size + 2 * abi::kPageSize, false},
    }};
    std::uint64_t end = 0;
    for (const auto& range : boot.ranges()) {
        if (range.usable) end = std::max(end, range.end());
    }
    frames_init(boot.ranges(), reserved);
    arch::build_kernel_tables(end);
}

std::uint64_t number(const core::CommandLine& options, std::string_view key, std::uint64_t otherwise) {
    const auto text = options.find(key);
    if (!text) return otherwise;
    const auto value = core::parse_u64(*text);
    if (!value) print("coxswain: {}={} is not a number; using {}", key, *text, otherwise);
    return value.value_or(otherwise);
}

// Each has read its place before it arrived.
void init_cpu_lines() {
    std::array<core::CpuPlace, abi::kMaxCpus> places;
    std::array<abi::TopologyWord, abi::kMaxCpus> words;
    const auto count = online_cpus().size();
    std::ranges::transform(online_cpus(), places.begin(), &Cpu::place);
    core::number_places(std::span(places).first(count), std::span(words).first(count));
    root_domain.open_root();
    for (const Cpu& cpu : online_cpus()) root_domain.init_cpu_line(cpu.number, words[cpu.number]);
}

}  // namespace

extern "C" [[noreturn]] void kernel_main(std::uint32_t door_number, std::uint32_t information) {
    const auto door = static_cast<BootDoor>(door_number);
    arch::serial_init();
    for (auto* init = init_array_start; init != init_array_end; ++init) (*init)();
    if (const char* missing = arch::detect_features()) unsupported(missing);
    seed_stack_guard();
    if (door == BootDoor::kUnknown) unsupported("started by a loader that is neither multiboot2 nor PVH");
    const auto parsed = parse(door, information);
    if (!parsed) unsupported(core::describe(parsed.error()));
    boot = *parsed;
    const core::CommandLine options(boot.command_line());
    const auto unknown =
        arch::adjust_features(options.find("without").value_or(""), options.find("quirk").value_or(""));
    if (!unknown.empty()) unsupported(format("without= or quirk= names the unknown \"{}\"", unknown).text());
    arch::enable_features();
    if (!boot.archive) unsupported("no initial archive: a module or initrd is needed");
    if (boot.archive->base % abi::kPageSize) unsupported("the archive is not page-aligned");

    // While the boot map, which covers wherever the firmware has put them, is there.
    const auto acpi = boot.rsdp_copy_size
                          ? core::parse_acpi(boot.rsdp_bytes(), core::PhysView(kPhysicalView))
                          : core::parse_acpi_at(boot.rsdp_address, core::PhysView(kPhysicalView));
    if (!acpi) unsupported(core::describe(acpi.error()));
    if (acpi->madt.lapic_base >= kBootMapEnd) unsupported("a local APIC above 4 GiB");
    take_memory(*boot.archive);
    cpu_init_boot();
    arch::lapic_choose(acpi->madt.lapic_base);
    arch::lapic_enable();
    if (!arch::calibrate(*acpi)) unsupported("no clock to calibrate the timer against");
    thread_table_init();
    root_quota.open(frame_counts().total * abi::kPageSize, abi::kMaxThreads);
    selftest_init(options.find("selftest").value_or(""));
    agent_budget_init();
    watchdog_init(number(options, "watchdog_ms", 5000));
    irq_init(acpi->madt);
    smp_start(acpi->madt);
    init_cpu_lines();
    print(
        "coxswain: kernel version=1 cpus={} boot={} tsc_hz={} timer={} frames={} apic={} "
        "wakes_by={} fpu={}",
        online_cpus().size(), std::string_view(door == BootDoor::kPvh ? "pvh" : "multiboot2"),
        arch::clock.tsc_hz, std::string_view(arch::clock.reference), frame_counts().total,
        std::string_view(arch::lapic_is_x2() ? "x2apic" : "xapic"),
        std::string_view(arch::features.tsc_deadline ? "deadline" : "count"),
        std::string_view(arch::features.xsave ? "xsave" : "fxsave"));
    if (boot.truncated) print("coxswain: the command line or the memory map was longer than what is kept");
    if (acpi->madt.cpus_beyond_limit)
        print("coxswain: {} more CPUs are left out", acpi->madt.cpus_beyond_limit);
    trace_init(options.find("trace").value_or(""), number(options, "trace_pages", 2048));
    start_root_task(*boot.archive, options.find("root").value_or("workers/root"), boot.command_line());
    release_cpus();
    dispatch_forever();
}

}  // namespace cox
