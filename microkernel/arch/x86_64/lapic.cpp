// SPDX-License-Identifier: MIT
#include "arch/lapic.hpp"

#include "arch/asm.hpp"
#include "arch/features.hpp"
#include "arch/paging.hpp"
#include "arch/tables.hpp"

namespace cox::arch {

namespace {

constexpr std::uint32_t kMsrApicBase = 0x1b;
constexpr std::uint64_t kApicEnable = 1 << 11, kApicX2 = 1 << 10;

// Register offsets; x2APIC's MSR is 0x800 + offset / 16.
constexpr unsigned kId = 0x20, kTaskPriority = 0x80, kEoi = 0xb0, kSpurious = 0xf0, kCommand = 0x300,
                   kCommandHigh = 0x310, kTimer = 0x320, kLint0 = 0x350, kLint1 = 0x360, kErrors = 0x370,
                   kInitialCount = 0x380, kCurrentCount = 0x390, kDivide = 0x3e0;
constexpr std::uint32_t kMasked = 1 << 16, kNmiMode = 4 << 8, kInitMode = 5 << 8, kStartupMode = 6 << 8,
                        kAssert = 1 << 14, kPending = 1 << 12, kOneShot = 0, kTscDeadline = 2 << 17,
                        kDivideBy32 = 8;
constexpr std::uint32_t kMsrTscDeadline = 0x6e0;

volatile std::uint32_t* registers;  // nullptr: x2APIC

std::uint32_t read(unsigned offset) {
    if (!registers) return static_cast<std::uint32_t>(read_msr(0x800 + offset / 16));
    return registers[offset / 4];
}

void write(unsigned offset, std::uint32_t value) {
    if (!registers) return write_msr(0x800 + offset / 16, value);
    registers[offset / 4] = value;
}

void send(std::uint32_t apic_id, std::uint32_t command) {
    if (!registers) {
        full_fence();  // wrmsr to an x2APIC does not wait for earlier stores, and what they say is what the IPI is about
        return write_msr(0x800 + kCommand / 16, std::uint64_t{apic_id} << 32 | command);
    }
    while (read(kCommand) & kPending) pause();
    write(kCommandHigh, apic_id << 24);
    write(kCommand, command);
}

// The two 8259 controllers of the PC: moved out of the exceptions' vectors, then masked for good. Masking LINT0 is not enough for
// every machine. What one of them still had in flight comes as a vector that the kernel ignores.
void silence_old_controllers() {
    constexpr std::uint16_t kCommands[] = {0x20, 0xa0};
    for (const auto port : kCommands) {
        const std::uint16_t data = port + 1;
        const bool second = port == kCommands[1];
        out8(port, 0x11);                  // initialise, four words
        out8(data, second ? 0x28 : 0x20);  // first vector
        out8(data, second ? 2 : 4);        // how the two are wired
        out8(data, 1);                     // 8086 mode
        out8(data, 0xff);                  // all masked
    }
}

}  // namespace

bool lapic_is_x2() { return !registers; }

void lapic_choose(std::uint64_t base) {
    silence_old_controllers();
    // Where the firmware has left it in x2APIC mode, that cannot be left.
    if (features.x2apic || read_msr(kMsrApicBase) & kApicX2) return;
    map_device(base);
    registers = physical_to_virtual<volatile std::uint32_t>(base);
}

void lapic_enable() {
    write_msr(kMsrApicBase, read_msr(kMsrApicBase) | kApicEnable);
    if (!registers) write_msr(kMsrApicBase, read_msr(kMsrApicBase) | kApicX2);
    write(kTaskPriority, 0);
    write(kLint0, kMasked);  // the old interrupt controller stays out
    write(kLint1, kNmiMode);
    write(kErrors, kMasked);
    write(kTimer, kMasked | kVectorTimer);
    write(kDivide, kDivideBy32);  // at 1 GHz a count lasts up to 137 s
    write(kSpurious, 0x100 | kVectorSpurious);
    write(kTimer, kVectorTimer | (features.tsc_deadline ? kTscDeadline : kOneShot));
    full_fence();  // xAPIC: the mode is set before the first deadline is written
    if (!features.tsc_deadline) lapic_timer_start(0);
}

std::uint32_t lapic_id() { return registers ? read(kId) >> 24 : read(kId); }
void lapic_end_of_interrupt() { write(kEoi, 0); }

void lapic_send(std::uint32_t apic_id, unsigned vector) { send(apic_id, kAssert | vector); }
void lapic_send_nmi(std::uint32_t apic_id) { send(apic_id, kAssert | kNmiMode); }
void lapic_send_init(std::uint32_t apic_id) { send(apic_id, kAssert | kInitMode); }
void lapic_send_startup(std::uint32_t apic_id, std::uint8_t page) {
    send(apic_id, kAssert | kStartupMode | page);
}

void lapic_timer_start(std::uint32_t count) { write(kInitialCount, count); }
void lapic_timer_deadline(std::uint64_t tsc) { write_msr(kMsrTscDeadline, tsc); }
std::uint32_t lapic_timer_count() { return read(kCurrentCount); }

}  // namespace cox::arch
