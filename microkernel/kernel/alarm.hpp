// SPDX-License-Identifier: MIT
// Alarm: a time, or a row of times, at which bits of a notification are set: what a Timer (timer_object.hpp) has armed. What counts
// is the deadline, under the alarm's lock; its node stands in the queue of one CPU, its keeper, and only makes that look, as a
// thread's does for time-outs (timers.hpp):
//
//   armed on CPU c     deadline, home = c; then: there is no keeper: c becomes it; c is it: it moves the node; else the keeper is
//                      sent the record, lets go, and sends it on to c
//   disarmed           no deadline; a keeper elsewhere finds out when the node expires
//   node expires       the time has come: counted, and signalled once, however many periods it was late
//
// The keeper lets go (keeper = none) before it reads the deadline for the last time, and whoever sets a deadline does that before
// it reads the keeper. Both are seq_cst, the deadline by the lock, so a deadline is never overlooked. Node and record each hold a reference.
//
// Bounds: a CPU expires kExpiriesPerWindow alarms in each window of kWindowNs at most, the earliest first; the others are late. So
// what timers take of a CPU does not grow with their number.
#pragma once
#include <atomic>
#include <cstdint>

#include "core/inbox.hpp"
#include "core/timer_queue.hpp"
#include "kernel/notification.hpp"

namespace cox {

struct Cpu;

class Alarm final : public Object {
public:
    static constexpr std::uint32_t kNoCpu = ~0u;
    static constexpr std::uint32_t kExpiriesPerWindow = 8;
    static constexpr std::uint64_t kWindowNs = 100'000;

    Alarm(Notification& rings, std::uint64_t which);

    // On the executing CPU, at TSC time `deadline`, and every `period` ticks from then on (0: once). True: it was armed already.
    bool arm(Cpu& self, std::uint64_t deadline, std::uint64_t period);
    // True: it was armed. An expiry that came first may set its bits a moment later; it is counted already.
    bool disarm(Cpu& self);
    void give_up(Cpu& self);  // disarmed for good: its keeper lets go of it soon

    struct Counts {
        std::uint64_t expiries, overruns;
    };
    Counts take_counts();

    core::TimerNode<Alarm> node;  // the keeper's
    core::InboxNode record;

private:
    friend void expire_alarms(Cpu& cpu, std::uint64_t now);
    friend void serve_alarm_record(Cpu& cpu, Alarm& alarm);

    struct Setting {
        std::uint64_t deadline;
        std::uint32_t home;
    };
    Setting setting();
    bool expire(std::uint64_t now);  // false: its time has not come, or has changed
    void look(Cpu& self);  // the node is made to agree with the setting. The caller holds a reference
    void send(Cpu& self, std::uint32_t cpu);
    void destroy() override;

    const RefPtr<Notification> bell_;
    const std::uint64_t bits_;
    std::atomic<std::uint32_t> keeper_{kNoCpu};

    SpinLock lock_{LockRank::kTimer};
    std::uint64_t deadline_ COX_GUARDED_BY(lock_);  // TSC; kNever: not armed
    std::uint64_t period_ COX_GUARDED_BY(lock_) = 0;
    std::uint32_t home_ COX_GUARDED_BY(lock_) = 0;
    Counts counts_ COX_GUARDED_BY(lock_){};
};

using AlarmQueue = core::TimerQueue<Alarm, &Alarm::node>;

// On the CPU that has them.
std::uint64_t next_alarm(const Cpu& cpu);
void expire_alarms(Cpu& cpu, std::uint64_t now);
void serve_alarm_record(Cpu& cpu, Alarm& alarm);

}  // namespace cox
