// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"
#include "kernel/log.hpp"
#include "kernel/machine.hpp"
#include "kernel/process.hpp"
#include "kernel/trace.hpp"
#include "kernel/user_memory.hpp"

namespace cox {

using abi::Error;
using abi::Op;

Machine the_machine;

void power_off(abi::ExitCode code) {
    trace_finish();
    // QEMU's isa-debug-exit; under emulation it acts a little later.
    for (;;) arch::out8(0xf4, static_cast<std::uint8_t>(code));
}

core::Result<Reply> invoke_log(const Invocation& call, const Cap& cap) {
    TRY(as<Log>(cap, abi::kWrite));
    if (call.op != Op::kLogWrite) return core::fail(Error::kBadOperation);
    const auto length = call.args[1];
    if (length > abi::kMaxLogLine) return core::fail(Error::kBadArgument);
    std::array<char, abi::kMaxLogLine> line;
    TRY(copy_from_user(call.caller.process->space(), line.data(), call.args[0], length));
    log_line(printable({line.data(), length}, line));
    return Reply{};
}

core::Result<Reply> invoke_machine(const Invocation& call, const Cap& cap) {
    const bool manages = call.op == Op::kPowerOff || call.op == Op::kGetIrq;
    TRY(as<Machine>(cap, manages ? abi::kManage : abi::kRead));
    switch (call.op) {
        case Op::kPowerOff:
            if (call.args[0] != static_cast<std::uint64_t>(abi::ExitCode::kPass) &&
                call.args[0] != static_cast<std::uint64_t>(abi::ExitCode::kFail)) {
                return core::fail(Error::kBadArgument);
            }
            power_off(static_cast<abi::ExitCode>(call.args[0]));
        case Op::kCpuStats: {
            if (call.args[0] >= online_cpus().size()) return core::fail(Error::kBadArgument);
            const abi::CpuStats copy = online_cpus()[call.args[0]].stats;
            TRY(copy_to_user(call.caller.process->space(), call.args[1], &copy, sizeof copy));
            return Reply{};
        }
        case Op::kGetIrq: return get_irq(call);
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
