// SPDX-License-Identifier: MIT
//
// Capability to a timer: at a time, or again and again, it sets bits of the notification that it was made with
// (Process::create_timer). docs/abi.md, "Timer".
#pragma once

#include "abi/calls.hpp"
#include "cap/capability.hpp"

#include <cstdint>

namespace cap {

class Timer : public Capability {
public:
    using Capability::Capability;

    // Once, in that time; or from then on again and again, if `period_ns` is not 0 (at least kMinTimerPeriodNs). What was armed
    // before is forgotten. -> whether something was.
    [[nodiscard]] Result<bool> arm(std::uint64_t in_ns, std::uint64_t period_ns = 0) const {
        return to_bool(call(abi::Op::kArm, in_ns, period_ns, std::uint64_t{0}));
    }
    // At a value of the TSC; at once if that has passed.
    [[nodiscard]] Result<bool> arm_at(std::uint64_t tsc, std::uint64_t period_ns = 0) const {
        return to_bool(call(abi::Op::kArm, tsc, period_ns, abi::kArmAbsolute));
    }
    // -> whether it was armed. If not, an expiry came first, and its bits may come a moment later.
    [[nodiscard]] Result<bool> disarm() const { return to_bool(call(abi::Op::kDisarm)); }

    struct Counts {
        std::uint64_t expiries;  // since they were read last
        std::uint64_t overruns;  // those among them that came too late to set bits of their own
    };
    [[nodiscard]] Result<Counts> read() const;

private:
    static Result<bool> to_bool(const Result<std::uint64_t>& result) {
        return result ? Result<bool>(*result != 0) : fail(result.error());
    }
};

}  // namespace cap
