// SPDX-License-Identifier: MIT
#include "kernel/poller.hpp"

#include <bit>

#include "arch/asm.hpp"
#include "arch/timer.hpp"
#include "kernel/call_enter.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/exit.hpp"
#include "kernel/process.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/trace.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;

core::Result<Reply> make_poller(const Invocation& call) {
    Thread& thread = call.caller;
    if (thread.is_agent()) return core::fail(Error::kWrongState);
    if (thread.ring.poller()) return core::fail(Error::kBusy);
    const auto cpus = call.args[1] ? call.args[1] & online_mask() : online_mask();
    if (!cpus) return core::fail(Error::kBadArgument);
    const auto here = this_cpu().number;
    const auto cpu = cpus >> here & 1 ? here : static_cast<std::uint32_t>(std::countr_zero(cpus));
    const auto poller = TRY(thread.process->new_thread(cpu, cpus, &thread));
    poller->line.label.store(call.args[2], std::memory_order_relaxed);
    poller->frame.rip = abi::kUserTop;
    poller->resume = Thread::kPolls;
    poller->poll.limit = call.args[0] == abi::kForever ? kNever : arch::clock.to_ticks(call.args[0]);
    if (trace_classes) trace_name(*poller);
    const auto slot = thread.process->caps.add({RefPtr<Object>(*poller), abi::kAllRights});
    if (!slot) {
        take_back(*poller);
        return core::fail(slot.error());
    }
    thread.ring.begin_poll(poller->ref);
    if (!start_thread(*poller)) end_polling(*poller);  // it was killed before it had begun
    return Reply{static_cast<std::int64_t>(slot->raw())};
}

void poll_ring(Cpu& cpu, Thread& poller) {
    Thread& thread = *poller.polls;
    auto& poll = poller.poll;
    if (!std::exchange(poll.awake, true)) {
        thread.ring.poller_wakes();
        poll.idle_since = 0;
    }
    if (thread.ring.backlog() != 0 && take_submissions(thread, kPollPass) != 0) {
        if (thread.ring.answered()) wake(thread);
        poll.idle_since = 0;
        return;
    }
    const auto now = arch::rdtsc();
    if (poll.idle_since == 0) poll.idle_since = now;
    if (now - poll.idle_since >= poll.limit) {
        poll.awake = false;
        if (thread.ring.poller_sleeps()) block_current(cpu);
    } else if (!cpu.queue.empty()) {
        yield_current(cpu);
    } else {
        arch::pause();
    }
}

void wake_poller(Thread& thread) {
    if (!thread.ring.take_sleeper()) return;
    if (const auto poller = find_thread(thread.ring.poller())) wake(*poller);
}

void end_polling(Thread& poller) {
    Thread& thread = *poller.polls;
    const auto end = thread.ring.end_poll(poller.ref);
    if (end.waits) wake(thread);
    if (end.last) thread.ending.come(thread.exit_code);
}

void end_poller(Thread& thread) {
    const auto ref = thread.ring.poller();
    if (!ref) return;
    if (const auto poller = find_thread(ref)) kill_thread(*poller, thread.exit_code);
}

}  // namespace cox
