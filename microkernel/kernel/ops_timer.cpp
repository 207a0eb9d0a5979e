// SPDX-License-Identifier: MIT
#include <algorithm>

#include "arch/timer.hpp"
#include "kernel/calls.hpp"
#include "kernel/process.hpp"
#include "kernel/timer_object.hpp"

namespace cox {

using abi::Error;
using abi::Op;

namespace {

core::Result<Reply> arm(Timer& timer, std::uint64_t time, std::uint64_t period_ns, std::uint64_t flags) {
    if (flags & ~abi::kArmAbsolute || (period_ns && period_ns < abi::kMinTimerPeriodNs))
        return core::fail(Error::kBadArgument);
    if (flags & abi::kArmAbsolute && time >> 63) return core::fail(Error::kBadArgument);
    const auto now = arch::rdtsc();
    // One that is to come at once comes after those that are due.
    const auto deadline = flags & abi::kArmAbsolute ? std::max(time, now) : now + arch::clock.to_ticks(time);
    return Reply{timer.alarm->arm(this_cpu(), deadline, arch::clock.to_ticks(period_ns))};
}

}  // namespace

core::Result<Reply> create_timer(const Invocation& call, Process& payer) {
    const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(call.args[0])));
    const auto bell = TRY(as<Notification>(cap, abi::kWrite));
    if (call.args[1] == 0 || call.args[1] >> 63) return core::fail(Error::kBadArgument);
    auto timer = TRY(Timer::create(*payer.timers, *bell, call.args[1]));
    const auto slot = TRY(call.caller.process->caps.add({RefPtr<Object>(*timer), abi::kAllRights}));
    return Reply{static_cast<std::int64_t>(slot.raw())};
}

core::Result<Reply> invoke_timer(const Invocation& call, const Cap& cap) {
    const auto timer = TRY(as<Timer>(cap, call.op == Op::kReadTimer ? abi::kRead : abi::kWrite));
    switch (call.op) {
        case Op::kArm: return arm(*timer, call.args[0], call.args[1], call.args[2]);
        case Op::kDisarm: return Reply{timer->alarm->disarm(this_cpu())};
        case Op::kReadTimer: {
            const auto counts = timer->alarm->take_counts();
            return Reply{static_cast<std::int64_t>(counts.expiries), counts.overruns};
        }
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
