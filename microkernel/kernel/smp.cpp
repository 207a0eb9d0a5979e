// SPDX-License-Identifier: MIT
#include "kernel/smp.hpp"

#include <array>
#include <cstring>

#include "arch/features.hpp"
#include "arch/lapic.hpp"
#include "arch/paging.hpp"
#include "arch/timer.hpp"
#include "kernel/frames.hpp"
#include "kernel/log.hpp"
#include "kernel/panic.hpp"
#include "kernel/selftest.hpp"
#include "kernel/trace.hpp"

extern "C" char trampoline_start[], trampoline_end[], trampoline_words[];
extern "C" std::uint64_t boot_pml4[];
extern "C" [[noreturn]] void enter_dispatch(std::uint64_t stack_top);

namespace cox {

bool cpus_ready;

namespace {

constexpr arch::Physical kTrampoline = 0x8000;
constexpr std::uint64_t kSecondStartupUs = 100'000, kStartLimitUs = 10'000'000;

std::array<Cpu, abi::kMaxCpus> cpus;
std::size_t cpu_count = 1;
std::atomic<std::size_t> arrived{
    1};  // release by each processor when it is set up; acquire by the boot processor
std::atomic<bool> released{false};
std::array<std::uint64_t, 256> stack_by_apic_id;
std::array<std::uint8_t, 256> number_by_apic_id;

void init_this_cpu(Cpu& cpu) {
    prepare_direct_calls(cpu);
    arch::enable_features();
    cpu.self = &cpu;
    cpu.place = arch::cpu_place();
    cpu.tables.load(&cpu, cpu.number);
}

struct TrampolineWords {
    std::uint64_t cr3, efer_bits, stacks, entry;
};

extern "C" [[noreturn]] void ap_main(std::uint32_t apic_id) {
    arch::write_cr3(arch::kernel_top());
    Cpu& cpu = cpus[number_by_apic_id[apic_id]];
    init_this_cpu(cpu);
    arch::lapic_enable();
    arrived.fetch_add(1, std::memory_order_release);
    while (!released.load(std::memory_order_acquire)) arch::pause();
    dispatch_forever();
}

// Puts the start-up code where it must be. The page may hold part of what a loader brought, so it is returned to what it was.
class Trampoline {
public:
    Trampoline();
    ~Trampoline() { std::memcpy(page(), saved_, abi::kPageSize); }
    Trampoline(const Trampoline&) = delete;
    Trampoline& operator=(const Trampoline&) = delete;

private:
    static char* page() { return arch::physical_to_virtual<char>(kTrampoline); }
    void* saved_ = allocate_permanent(abi::kPageSize);
};

Trampoline::Trampoline() {
    std::memcpy(saved_, page(), abi::kPageSize);
    constexpr std::uint64_t kLme = 1 << 8, kNxe = 1 << 11;
    char* target = page();
    std::memcpy(target, trampoline_start, static_cast<std::size_t>(trampoline_end - trampoline_start));
    // They start on the boot tables, which map low memory as it is; the kernel stacks are added to those.
    const auto stacks = arch::table_index(arch::kStackRegion, 3);
    boot_pml4[stacks] = arch::physical_to_virtual<std::uint64_t>(arch::kernel_top())[stacks];
    const TrampolineWords words{
        reinterpret_cast<std::uint64_t>(boot_pml4) - arch::kKernelBase, kLme | (arch::features.nx ? kNxe : 0),
        reinterpret_cast<std::uint64_t>(stack_by_apic_id.data()), reinterpret_cast<std::uint64_t>(ap_main)};
    std::memcpy(target + (trampoline_words - trampoline_start), &words, sizeof words);
}

// A processor that has started already ignores it. True: all have arrived within the time.
bool send_startup(std::span<const Cpu> others, std::uint64_t limit_us) {
    for (const Cpu& cpu : others) arch::lapic_send_startup(cpu.apic_id, kTrampoline >> 12);
    const auto end = arch::rdtsc() + arch::clock.to_ticks(limit_us * 1000);
    while (arrived.load(std::memory_order_acquire) <= others.size()) {
        if (arch::rdtsc() > end) return false;
        arch::pause();
    }
    return true;
}

}  // namespace

std::span<Cpu> online_cpus() { return {cpus.data(), cpu_count}; }

std::uint64_t online_mask() {
    return cpu_count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << cpu_count) - 1;
}

void send_reschedule(Cpu& self, Cpu& target) {
    if (&self == &target) return look_again(self);  // it looks before it leaves the kernel
    ++self.stats.ipis_sent;
    if (tracing(core::kTraceIpi)) trace(core::TraceEvent::kIpi, {}, target.number);
    arch::lapic_send(target.apic_id, arch::kVectorReschedule);
}

void cpu_init_boot() {
    arch::build_idt();
    arch::map_ist_stacks(0, &cpus[0]);
    init_this_cpu(cpus[0]);
    cpus_ready = true;
}

void smp_start(const core::Madt& madt) {
    cpus[0].apic_id = arch::lapic_id();
    cpus[0].kernel_stack = arch::map_kernel_stack(0);
    std::size_t count = 1;
    for (const auto id : madt.cpus()) {
        if (id == cpus[0].apic_id) continue;
        if (count == cpus.size()) break;  // the boot processor is not among those that the table names
        if (id > 254) unsupported("an APIC id above 254");
        Cpu& cpu = cpus[count];
        cpu.number = static_cast<std::uint32_t>(count);
        cpu.apic_id = id;
        cpu.kernel_stack = stack_by_apic_id[id] = arch::map_kernel_stack(cpu.number);
        arch::map_ist_stacks(cpu.number, &cpu);
        number_by_apic_id[id] = static_cast<std::uint8_t>(count++);
    }
    const Trampoline trampoline;
    const auto others = std::span(cpus).subspan(1, count - 1);
    for (const Cpu& cpu : others) arch::lapic_send_init(cpu.apic_id);
    if (count > 1) arch::delay_us(arch::features.hypervisor ? 100 : 10'000);
    if (!send_startup(others, kSecondStartupUs) && !send_startup(others, kStartLimitUs))
        panic("a CPU did not start");
    cpu_count = count;
}

void release_cpus() { released.store(true, std::memory_order_release); }

void dispatch_forever() {
    Cpu& cpu = this_cpu();
    selftest_run();
    cpu.since = arch::rdtsc();
    enter_dispatch(cpu.kernel_stack);
}

}  // namespace cox
