// SPDX-License-Identifier: MIT
//
// Rtc: the periodic interrupt of the PC's real-time clock, as a driver in user space has it: a line, and two ports. The device holds
// its line up from an interrupt until register C is read.
#pragma once

#include "cap/machine.hpp"

#include <cstdint>

namespace test {

class Rtc {
public:
    static constexpr std::uint64_t kLine = 8;
    static constexpr std::uint16_t kIndex = 0x70, kData = 0x71;
    static constexpr std::uint8_t kSlow = 10, kFast = 3;  // 64 Hz, 8192 Hz

    [[nodiscard]] static cap::Result<cap::Irq> claim(cap::Machine machine) {
        return machine.irq(kLine, kIndex, 2);
    }

    explicit Rtc(cap::Irq irq) : irq_(irq) {}

    // 2^(16 - rate) interrupts a second, once bound.
    [[nodiscard]] cap::Result<void> start(std::uint8_t rate) const {
        TRY(write(0xa, kDivider | rate));
        TRY(write(0xb, k24Hours | kPeriodic));
        TRY(take());  // what was left from before
        return {};
    }
    [[nodiscard]] cap::Result<void> stop() const {
        TRY(write(0xb, k24Hours));
        TRY(take());
        return {};
    }
    // The device takes its interrupt back. -> whether there was one.
    [[nodiscard]] cap::Result<bool> take() const { return (TRY(read(0xc)) & kPeriodic) != 0; }
    [[nodiscard]] cap::Result<std::uint8_t> seconds() const { return read(0); }

private:
    static constexpr std::uint8_t kDivider = 0x20, kPeriodic = 0x40, k24Hours = 0x02;

    [[nodiscard]] cap::Result<std::uint8_t> read(std::uint8_t number) const {
        TRY(irq_.write8(kIndex, number));
        return irq_.read8(kData);
    }
    [[nodiscard]] cap::Result<void> write(std::uint8_t number, std::uint8_t value) const {
        TRY(irq_.write8(kIndex, number));
        return irq_.write8(kData, value);
    }

    cap::Irq irq_;
};

}  // namespace test
