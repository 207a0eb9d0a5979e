// SPDX-License-Identifier: MIT
#include "kernel/irq.hpp"

#include <algorithm>
#include <array>

#include "arch/ioapic.hpp"
#include "arch/lapic.hpp"
#include "kernel/cpu.hpp"
#include "kernel/heap.hpp"

namespace cox {

using abi::Error;

namespace {

struct Line {
    bool claimed = false;
    core::LineMode mode;
    PortRange ports;
    RefPtr<Notification> bell;
    std::uint64_t bits = 0;
    const Cpu* cpu = nullptr;   // where it leads; nullptr: it was never unmasked
    std::uint64_t came = 0;     // not acknowledged
    bool second_waits = false;  // of an edge: its bits are set when the first is acknowledged
};

SpinLock lock(LockRank::kIrq);
std::array<Line, arch::kMaxLines> lines COX_GUARDED_BY(lock);
std::array<core::IsaLine, core::Madt::kIsaLines> isa_lines;  // fixed at boot

// What the kernel itself uses: the old interrupt controllers, QEMU's exit, the serial port of the log.
constexpr PortRange kOwnPorts[] = {{0x20, 2}, {0xa0, 2}, {0xf4, 4}, {0x3f8, 8}};

bool is_taken(PortRange ports) COX_REQUIRES(lock) {
    const auto meets = [&](const PortRange& other) { return ports.meets(other); };
    return std::ranges::any_of(kOwnPorts, meets) ||
           std::ranges::any_of(lines, [&](const Line& line) { return meets(line.ports); });
}

// Unmasked, to the executing CPU.
void listen(const Cpu& self, unsigned number, Line& line) COX_REQUIRES(lock) {
    if (std::exchange(line.cpu, &self) != &self) arch::ioapic_route(number, self.apic_id, line.mode);
    arch::ioapic_mask(number, false);
}

}  // namespace

void irq_init(const core::Madt& madt) {
    isa_lines = madt.isa_lines;
    arch::ioapic_init(madt);
}

core::Result<RefPtr<Irq>> Irq::claim(std::uint64_t number, PortRange ports) {
    core::IsaLine to{.line = static_cast<std::uint32_t>(number), .mode = {.level = true, .active_low = true}};
    if (number < isa_lines.size()) to = isa_lines[number];
    if (number >= arch::kMaxLines || !arch::ioapic_has(to.line)) return core::fail(Error::kBadArgument);
    auto irq = TRY(make_object<Irq>(ports));
    SpinGuard guard(lock);  // its end comes before that of an Irq without a line
    Line& line = lines[to.line];
    if (line.claimed || is_taken(ports)) return core::fail(Error::kBusy);
    line.claimed = true;
    line.mode = to.mode;
    line.ports = ports;
    irq->line_ = to.line;
    return irq;
}

void Irq::bind(Cpu& self, Notification& bell, std::uint64_t bits) {
    RefPtr<Notification> other(bell);
    SpinGuard guard(lock);  // its end comes before that of the one which is replaced
    Line& line = lines[line_];
    std::swap(line.bell, other);
    line.bits = bits;
    line.came = 0;
    line.second_waits = false;
    listen(self, line_, line);
}

core::Result<std::uint64_t> Irq::acknowledge(Cpu& self) {
    RefPtr<Notification> bell;
    std::uint64_t bits = 0, came = 0;
    {
        SpinGuard guard(lock);
        Line& line = lines[line_];
        if (!line.bell) return core::fail(Error::kWrongState);
        came = line.came;
        line.came = 0;
        if (std::exchange(line.second_waits, false)) {
            line.came = 1;
            --came;
            bell = line.bell;
            bits = line.bits;
        }
        if (came || line.cpu != &self) listen(self, line_, line);
    }
    if (bell) bell->signal(bits);
    return came;
}

void Irq::destroy() {
    RefPtr<Notification> bell;
    if (line_ != kNoLine) {
        SpinGuard guard(lock);
        Line& line = lines[line_];
        if (line.cpu) arch::ioapic_mask(line_, true);
        std::swap(line.bell, bell);
        line.cpu = nullptr;
        line.came = 0;
        line.second_waits = false;
        line.ports = {};
        line.claimed = false;
    }
    dispose(this);
}

bool handle_line(std::uint64_t vector) {
    const auto number = vector - arch::kVectorOfLine0;
    if (number >= arch::kMaxLines) return false;
    RefPtr<Notification> bell;
    std::uint64_t bits = 0;
    if (arch::ioapic_has(static_cast<unsigned>(number))) {
        SpinGuard guard(lock);
        Line& line = lines[number];
        const bool first = ++line.came == 1;
        if (line.mode.level || !first || !line.bell) arch::ioapic_mask(static_cast<unsigned>(number), true);
        if (first) {
            bell = line.bell;
            bits = line.bits;
        } else if (!line.mode.level) {
            line.second_waits = true;
        }
    }
    arch::lapic_end_of_interrupt();  // after the mask: else a level that is still there would come again
    if (bell) bell->signal(bits);
    return true;
}

}  // namespace cox
