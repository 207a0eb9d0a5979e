// SPDX-License-Identifier: MIT
#include "kernel/timer_object.hpp"

#include "kernel/cpu.hpp"

namespace cox {

core::Result<RefPtr<Timer>> Timer::create(TimerAccount& account, Notification& bell, std::uint64_t bits) {
    if (!account.take()) return core::fail(abi::Error::kNoSlot);
    auto alarm = make_object<Alarm>(bell, bits);
    auto timer = alarm ? make_object<Timer>(account, std::move(*alarm)) : core::fail(alarm.error());
    if (!timer) account.give_back();
    return timer;
}

void Timer::destroy() {
    alarm->give_up(this_cpu());
    account_->give_back();
    dispose(this);
}

}  // namespace cox
