// SPDX-License-Identifier: MIT
// Timer: what a capability to one names. It has an alarm, which goes on without it until its keeper has let go: the last
// capability gone disarms it.
#pragma once
#include "kernel/alarm.hpp"
#include "kernel/timer_account.hpp"

namespace cox {

class Timer final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kTimer;

    // kNoSlot: there are as many on the account as there may be; kNoMemory.
    static core::Result<RefPtr<Timer>> create(TimerAccount& account, Notification& bell, std::uint64_t bits);

    // It has been taken from the account.
    Timer(TimerAccount& account, RefPtr<Alarm> its_alarm)
        : Object(kType), alarm(std::move(its_alarm)), account_(account) {}

    const RefPtr<Alarm> alarm;

private:
    void destroy() override;

    const RefPtr<TimerAccount> account_;
};

}  // namespace cox
