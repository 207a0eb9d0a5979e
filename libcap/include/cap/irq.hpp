// SPDX-License-Identifier: MIT
//
// Capability to the interrupt line of a device, and to the I/O ports by which its driver speaks to it (Machine::irq).
// docs/abi.md, "Irq". A driver:
//
//     irq.bind(bell, 1);                                set the device up: irq.write8(port, value)
//     for (;;) { bell.wait(ring); serve the device, so that it takes its interrupt back; irq.acknowledge(); }
#pragma once

#include "cap/capability.hpp"
#include "cap/process.hpp"

#include <cstdint>

namespace cap {

class Irq : public Capability {
public:
    using Capability::Capability;

    // An interrupt sets these bits, and masks the line.
    [[nodiscard]] Result<void> bind(Notification bell, std::uint64_t bits) const {
        return invoke(abi::Op::kBindIrq, bell.slot().raw(), bits);
    }
    // Unmasks it, and leads it to the CPU of the caller. -> how many interrupts have come since last time.
    [[nodiscard]] Result<std::uint64_t> acknowledge() const { return call(abi::Op::kAckIrq); }

    [[nodiscard]] Result<std::uint8_t> read8(std::uint16_t port) const { return read<std::uint8_t>(port); }
    [[nodiscard]] Result<std::uint16_t> read16(std::uint16_t port) const { return read<std::uint16_t>(port); }
    [[nodiscard]] Result<std::uint32_t> read32(std::uint16_t port) const { return read<std::uint32_t>(port); }
    [[nodiscard]] Result<void> write8(std::uint16_t port, std::uint8_t value) const {
        return invoke(abi::Op::kPortWrite, port, 1, value);
    }
    [[nodiscard]] Result<void> write16(std::uint16_t port, std::uint16_t value) const {
        return invoke(abi::Op::kPortWrite, port, 2, value);
    }
    [[nodiscard]] Result<void> write32(std::uint16_t port, std::uint32_t value) const {
        return invoke(abi::Op::kPortWrite, port, 4, value);
    }

private:
    template <class T>
    [[nodiscard]] Result<T> read(std::uint16_t port) const {
        const auto value = call(abi::Op::kPortRead, port, sizeof(T));
        return value ? Result<T>(static_cast<T>(*value)) : fail(value.error());
    }
};

}  // namespace cap
