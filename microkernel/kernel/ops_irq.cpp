// SPDX-License-Identifier: MIT
#include "arch/asm.hpp"
#include "kernel/calls.hpp"
#include "kernel/irq.hpp"
#include "kernel/process.hpp"

namespace cox {

using abi::Error;
using abi::Op;

namespace {

core::Result<Reply> bind(const Invocation& call, Irq& irq) {
    const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(call.args[0])));
    const auto bell = TRY(as<Notification>(cap, abi::kWrite));
    if (call.args[1] == 0 || call.args[1] >> 63) return core::fail(Error::kBadArgument);
    irq.bind(this_cpu(), *bell, call.args[1]);
    return Reply{};
}

core::Result<std::uint16_t> check_port(const Irq& irq, std::uint64_t port, std::uint64_t width) {
    const bool is_width = width == 1 || width == 2 || width == 4;
    if (!is_width || !irq.ports.holds(port, width)) return core::fail(Error::kBadArgument);
    return static_cast<std::uint16_t>(port);
}

core::Result<Reply> read_port(const Irq& irq, std::uint64_t number, std::uint64_t width) {
    const auto port = TRY(check_port(irq, number, width));
    return Reply{width == 1 ? arch::in8(port) : width == 2 ? arch::in16(port) : arch::in32(port)};
}

core::Result<Reply> write_port(const Irq& irq, std::uint64_t number, std::uint64_t width,
                               std::uint64_t value) {
    const auto port = TRY(check_port(irq, number, width));
    if (value >> 8 * width) return core::fail(Error::kBadArgument);
    if (width == 1)
        arch::out8(port, static_cast<std::uint8_t>(value));
    else if (width == 2)
        arch::out16(port, static_cast<std::uint16_t>(value));
    else
        arch::out32(port, static_cast<std::uint32_t>(value));
    return Reply{};
}

}  // namespace

core::Result<Reply> get_irq(const Invocation& call) {
    const auto first = call.args[1], count = call.args[2];
    if (count > abi::kMaxIrqPorts || first > 0xffff || first + count > 0x10000)
        return core::fail(Error::kBadArgument);
    auto irq =
        TRY(Irq::claim(call.args[0], {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)}));
    const auto slot = TRY(call.caller.process->caps.add({RefPtr<Object>(*irq), abi::kAllRights}));
    return Reply{static_cast<std::int64_t>(slot.raw())};
}

core::Result<Reply> invoke_irq(const Invocation& call, const Cap& cap) {
    const auto irq = TRY(as<Irq>(cap, call.op == Op::kPortRead ? abi::kRead : abi::kWrite));
    switch (call.op) {
        case Op::kBindIrq: return bind(call, *irq);
        case Op::kAckIrq: return Reply{static_cast<std::int64_t>(TRY(irq->acknowledge(this_cpu())))};
        case Op::kPortRead: return read_port(*irq, call.args[0], call.args[1]);
        case Op::kPortWrite: return write_port(*irq, call.args[0], call.args[1], call.args[2]);
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
