// SPDX-License-Identifier: MIT
// Irq: the interrupt line of a device, with the I/O ports by which its driver speaks to it. A line has one Irq at most. An
// interrupt sets bits of the notification to which the Irq is bound; the next one does so only after kAckIrq. So a line interrupts
// once for each time that its driver has asked for it, or twice, whatever the device does:
//
//   level  masked until it is acknowledged. A device that still wants something then interrupts at once.
//   edge   one that comes while the line is masked is lost. So it is masked only by the second that was not acknowledged, which is
//          remembered; acknowledging the first sets the bits for the second.
//
// The lines' state is in one table under one lock, which the interrupt takes too; an Irq names its line there. The last capability
// gone masks the line and frees it.
#pragma once
#include "core/acpi.hpp"
#include "kernel/notification.hpp"

namespace cox {

struct Cpu;

struct PortRange {
    std::uint32_t first = 0, count = 0;

    bool holds(std::uint64_t port, std::uint64_t width) const {
        return port >= first && port <= 0xffff && port + width <= first + count;
    }
    bool meets(const PortRange& other) const {
        return count && other.count && first < other.first + other.count && other.first < first + count;
    }
};

class Irq final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kIrq;

    // `number`: 0 to 15 are the ISA lines, wherever they lead. kBadArgument: no such line; kBusy: somebody has it, or one of the
    // ports; kNoMemory.
    static core::Result<RefPtr<Irq>> claim(std::uint64_t number, PortRange ports);

    explicit Irq(PortRange range) : Object(kType), ports(range) {}

    // From now on; on the executing CPU. The next one may come.
    void bind(Cpu& self, Notification& bell, std::uint64_t bits);
    // The next one may come, to the executing CPU. -> how many have come since last time. kWrongState: not bound.
    core::Result<std::uint64_t> acknowledge(Cpu& self);

    const PortRange ports;

private:
    void destroy() override;

    static constexpr unsigned kNoLine = ~0u;

    unsigned line_ = kNoLine;  // written before anybody else knows it
};

// Boot CPU, once.
void irq_init(const core::Madt& madt);
// What a vector of a line's means; it is at the end of the interrupt afterwards. False: it is none.
bool handle_line(std::uint64_t vector);

}  // namespace cox
