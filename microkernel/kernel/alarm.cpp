// SPDX-License-Identifier: MIT
#include "kernel/alarm.hpp"

#include <algorithm>

#include "arch/timer.hpp"
#include "kernel/cpu.hpp"
#include "kernel/heap.hpp"

namespace cox {

Alarm::Alarm(Notification& rings, std::uint64_t which)
    : Object(abi::ObjectType::kTimer),
      record(static_cast<std::uint8_t>(RecordKind::kAlarm)),
      bell_(rings),
      bits_(which),
      deadline_(kNever) {}

void Alarm::destroy() { dispose(this); }

Alarm::Setting Alarm::setting() {
    SpinGuard guard(lock_);
    return {deadline_, home_};
}

Alarm::Counts Alarm::take_counts() {
    SpinGuard guard(lock_);
    return std::exchange(counts_, {});
}

bool Alarm::arm(Cpu& self, std::uint64_t deadline, std::uint64_t period) {
    bool was_armed;
    {
        SpinGuard guard(lock_);
        was_armed = deadline_ != kNever;
        deadline_ = deadline;
        period_ = period;
        home_ = self.number;
    }
    look(self);
    return was_armed;
}

bool Alarm::disarm(Cpu& self) {
    bool was_armed;
    {
        SpinGuard guard(lock_);
        was_armed = std::exchange(deadline_, kNever) != kNever;
    }
    if (keeper_.load() == self.number) look(self);
    return was_armed;
}

void Alarm::give_up(Cpu& self) {
    (void)disarm(self);
    look(self);
}

void Alarm::look(Cpu& self) {
    for (;;) {
        auto keeper = keeper_.load();
        if (keeper == self.number) {
            if (node.armed()) self.alarms.remove(*this);
            if (const auto now = setting(); now.deadline != kNever && now.home == self.number) {
                self.alarms.insert(*this, now.deadline);
                return look_again(self);  // the timer may have to be armed for it
            }
            keeper_.store(kNoCpu);
            release();  // the node's reference
            continue;   // unless a deadline was set in the meantime, that is all
        }
        if (keeper != kNoCpu) return send(self, keeper);
        const auto now = setting();
        if (now.deadline == kNever) return;
        if (now.home != self.number) return send(self, now.home);
        if (keeper_.compare_exchange_strong(keeper, self.number)) retain();
    }
}

// One that is on its way already, wherever to, finds what is to be done when it is served.
void Alarm::send(Cpu& self, std::uint32_t number) {
    Cpu& target = online_cpus()[number];
    retain();
    switch (target.inbox.push(record)) {
        case core::PushResult::kAlreadyQueued: release(); break;
        case core::PushResult::kQueued: break;
        case core::PushResult::kNotify: send_reschedule(self, target); break;
    }
}

bool Alarm::expire(std::uint64_t now) {
    SpinGuard guard(lock_);
    if (deadline_ > now) return false;
    const auto missed = period_ ? (now - deadline_) / period_ : 0;
    counts_.expiries += missed + 1;
    counts_.overruns += missed;
    deadline_ = period_ ? deadline_ + (missed + 1) * period_ : kNever;
    return true;
}

std::uint64_t next_alarm(const Cpu& cpu) {
    const Alarm* first = cpu.alarms.min();
    if (!first) return kNever;
    return cpu.expiries_left ? first->node.deadline() : std::max(first->node.deadline(), cpu.window_end);
}

void expire_alarms(Cpu& cpu, std::uint64_t now) {
    if (now >= cpu.window_end) {
        if (cpu.alarms.min()->node.deadline() > now) return;
        cpu.window_end = now + arch::clock.to_ticks(Alarm::kWindowNs);
        cpu.expiries_left = Alarm::kExpiriesPerWindow;
    }
    for (; cpu.expiries_left; --cpu.expiries_left) {
        Alarm* const alarm = cpu.alarms.pop_expired(now);
        if (!alarm) return;
        const RefPtr<Alarm> hold(*alarm);
        const bool expired = alarm->expire(now);
        alarm->look(cpu);
        if (expired) alarm->bell_->signal(alarm->bits_);  // last: it may wake, and end, whom you like
    }
}

void serve_alarm_record(Cpu& cpu, Alarm& alarm) { alarm.look(cpu); }

}  // namespace cox
