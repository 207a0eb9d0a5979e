// SPDX-License-Identifier: MIT
#include "arch/serial.hpp"

#include "arch/asm.hpp"

namespace cox::arch {

namespace {

constexpr std::uint16_t kCom1 = 0x3f8;
constexpr int kFifoDepth = 16;
bool present;

void wait_until_empty() {
    while (!(in8(kCom1 + 5) & 0x20)) pause();
}

}  // namespace

void serial_init() {
    out8(kCom1 + 7, 0x5a);  // scratch register: is anybody there?
    present = in8(kCom1 + 7) == 0x5a;
    if (!present) return;
    out8(kCom1 + 1, 0);     // no interrupts
    out8(kCom1 + 3, 0x80);  // divisor latch
    out8(kCom1 + 0, 1);     // 115,200 baud
    out8(kCom1 + 1, 0);
    out8(kCom1 + 3, 3);  // 8N1
    out8(kCom1 + 2, 7);  // FIFOs on and cleared
    out8(kCom1 + 4, 3);  // DTR, RTS
}

void serial_write(std::string_view text) {
    if (!present) return;
    int room = 0;
    const auto put = [&](char c) {
        if (room == 0) {
            wait_until_empty();
            room = kFifoDepth;
        }
        out8(kCom1, static_cast<std::uint8_t>(c));
        --room;
    };
    for (char c : text) {
        if (c == '\n') put('\r');
        put(c);
    }
}

}  // namespace cox::arch
