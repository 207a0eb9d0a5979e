// SPDX-License-Identifier: MIT
#include "kernel_model.hpp"

#include <algorithm>

namespace sim {

// A thread stands in a ring at most once; what changes meanwhile is seen with it.
void KernelModel::post(SimThread& thread) {
    if (!thread.event_pending) {
        thread.event_pending = true;
        world_.tell_server(&thread);
    }
}

void KernelModel::made_runnable(SimThread& thread, abi::Cause cause) {
    thread.woken_ns = world_.now_ns;
    unplace(thread, cause);
}

void KernelModel::unplace(SimThread& thread, abi::Cause cause) {
    thread.state = abi::ThreadState::kUnplaced;
    thread.cause = cause;
    ++thread.sequence;
    thread.since_ns = thread.waiting_since_ns = world_.now_ns;
    ++world_.waiting;
    post(thread);
}

void KernelModel::wake(SimThread& thread) {
    world_.expect(thread.state == abi::ThreadState::kWaiting,
                  [&] { return say(thread) + " woke though it did not wait"; });
    if ((thread.hint & abi::kHintWake) == 0) {
        return made_runnable(thread, abi::Cause::kWoken);
    }
    thread.since_ns = thread.woken_ns = thread.waiting_since_ns = world_.now_ns;
    thread.cause = abi::Cause::kWoken;
    ++world_.waiting;
    queue(thread, thread.hint_cpu, thread.hint_slice_ns, false);
    settle(thread.hint_cpu);
}

// The thread, which counts as waiting already, comes into the CPU's queue with a new slice.
void KernelModel::queue(SimThread& thread, std::uint32_t cpu, std::uint64_t slice_ns, bool head) {
    thread.state = abi::ThreadState::kQueued;
    thread.word_cpu = cpu;
    thread.slice_ns = slice_ns == abi::kNoSlice ? 0 : std::max(slice_ns, abi::kMinSliceNs);
    thread.slice_used_ns = 0;
    RunQueue& queue = world_.cpus[cpu].queue;
    head ? queue.push_front(thread) : queue.push_back(thread);
}

// The queue or the current thread has changed.
void KernelModel::settle(std::uint32_t cpu) {
    if (world_.cpus[cpu].current == nullptr) {
        dispatch(cpu);
    } else {
        arm(cpu);
    }
}

void KernelModel::dispatch(std::uint32_t number) {
    SimCpu& cpu = world_.cpus[number];
    SimThread* const thread = cpu.queue.pop_front();
    if (thread == nullptr) {
        return;
    }
    cpu.current = thread;
    cpu.run_start_ns = world_.now_ns + world_.scenario.costs.dispatch_ns;
    --world_.idle_cpus;
    --world_.waiting;
    Result& result = world_.result;
    if (thread->ran && thread->ran_on != number) {
        ++result.migrations;
        const auto& places = world_.scenario.cpus;
        result.node_migrations += places[thread->ran_on].node != places[number].node ? 1 : 0;
    }
    thread->state = abi::ThreadState::kRunning;
    thread->ran = true;
    thread->ran_on = number;
    const std::uint64_t waited = cpu.run_start_ns - thread->waiting_since_ns;
    thread->waited_ns += waited;
    result.longest_wait_ns = std::max(result.longest_wait_ns, waited);
    if (thread->woken_ns != kNotWoken) {
        world_.wake_latency.add(cpu.run_start_ns - thread->woken_ns);
        thread->woken_ns = kNotWoken;
    }
    ++result.dispatches;
    world_.fold.add(world_.now_ns);
    world_.fold.add(std::uint64_t{number} << 32 | thread->ref.index);
    arm(number);
}

// The slice began with the thread's dispatch, but is over only when another waits.
void KernelModel::arm(std::uint32_t number) {
    SimCpu& cpu = world_.cpus[number];
    const SimThread& thread = *cpu.current;
    std::uint64_t at = cpu.run_start_ns + thread.remaining_ns;
    if (!cpu.queue.empty() && thread.slice_ns != 0) {
        const std::uint64_t left =
            thread.slice_ns > thread.slice_used_ns ? thread.slice_ns - thread.slice_used_ns : 0;
        at = std::min(at, std::max(cpu.run_start_ns + left, world_.now_ns));
    }
    if (at != cpu.armed_ns) {
        cpu.armed_ns = at;
        world_.timers.push(Timer::Kind::kCpu, at, number, ++cpu.epoch);
    }
}

// Up to now. A thread that is stopped while it is being switched to has not run.
void KernelModel::account(SimCpu& cpu) {
    SimThread& thread = *cpu.current;
    const std::uint64_t ran = world_.now_ns > cpu.run_start_ns ? world_.now_ns - cpu.run_start_ns : 0;
    world_.expect(ran <= thread.remaining_ns, [&] { return say(thread) + " ran longer than its turn"; });
    thread.remaining_ns -= ran;
    thread.slice_used_ns += ran;
    thread.service_ns += ran;
    world_.result.service_ns += ran;
    cpu.run_start_ns = std::max(cpu.run_start_ns, world_.now_ns);
}

SimThread& KernelModel::take_current(std::uint32_t number) {
    SimCpu& cpu = world_.cpus[number];
    account(cpu);
    SimThread& thread = *cpu.current;
    thread.stopped_service_ns = thread.service_ns;
    end_loan(thread);
    cpu.current = nullptr;
    cpu.armed_ns = kForever;
    ++cpu.epoch;
    ++world_.idle_cpus;
    return thread;
}

void KernelModel::timer(std::uint32_t number, std::uint32_t epoch) {
    SimCpu& cpu = world_.cpus[number];
    if (cpu.epoch != epoch) {
        return;
    }
    cpu.armed_ns = kForever;
    account(cpu);
    const SimThread& thread = *cpu.current;
    if (thread.remaining_ns == 0) {
        end_turn(number);
    } else if (!cpu.queue.empty() && thread.slice_ns != 0 && thread.slice_used_ns >= thread.slice_ns) {
        end_slice(number);
    } else {
        arm(number);
    }
}

void KernelModel::end_turn(std::uint32_t number) {
    SimThread& current = *world_.cpus[number].current;
    if (current.calls_now) {
        return call(number);
    }
    if (!world_.scenario.crews[current.crew].serves.empty()) {
        return reply_and_receive(number);
    }
    const Behaviour::Next next = behaviour_.turn_ended(current);
    if (next == Behaviour::Next::kGoOn) {
        arm(number);
    } else {
        block(number, next == Behaviour::Next::kExit ? abi::Cause::kExited : abi::Cause::kBlocked);
    }
    for (SimThread* const thread : behaviour_.released()) {
        wake(*thread);
    }
}

// The current thread waits, or exits.
void KernelModel::block(std::uint32_t number, abi::Cause cause) {
    const bool exits = cause == abi::Cause::kExited;
    SimThread& thread = take_current(number);
    thread.state = exits ? abi::ThreadState::kGone : abi::ThreadState::kWaiting;
    thread.cause = cause;
    ++thread.sequence;
    if (exits) {
        ++world_.gone;
        world_.result.makespan_ns = world_.now_ns;
    }
    if (exits || (thread.hint & abi::kHintWake) == 0) {
        post(thread);
    }
    dispatch(number);
    if (world_.cpus[number].current == nullptr) {
        world_.tell_server(nullptr, number);
    }
}

void KernelModel::end_slice(std::uint32_t number) {
    SimThread& thread = take_current(number);
    if ((thread.hint & abi::kHintRotate) != 0) {
        thread.cause = abi::Cause::kSliceEnd;
        thread.waiting_since_ns = world_.now_ns;
        ++world_.waiting;
        queue(thread, number, thread.hint_slice_ns, false);
    } else {
        unplace(thread, abi::Cause::kSliceEnd);
    }
    dispatch(number);
}

abi::Error KernelModel::commit(const Commit& commit) {
    SimThread& thread = *commit.thread;
    const bool recalls = (commit.flags & abi::kCommitRecall) != 0;
    switch (thread.state) {
        case abi::ThreadState::kGone: return abi::Error::kGone;
        case abi::ThreadState::kQueued:
        case abi::ThreadState::kRunning:
            if (recalls) {
                recall(thread);
                return abi::Error::kOk;
            }
            return abi::Error::kRunningElsewhere;
        case abi::ThreadState::kUnplaced: break;
        default: return abi::Error::kNotRunnable;
    }
    if (recalls) {
        return abi::Error::kOk;
    }
    if (thread.sequence != commit.sequence) {
        post(thread);
        return abi::Error::kStaleSequence;
    }
    ++thread.sequence;
    SimCpu& cpu = world_.cpus[commit.cpu];
    if ((commit.flags & abi::kCommitPreempt) != 0 && cpu.current != nullptr) {
        ++world_.result.preemptions;
        unplace(take_current(commit.cpu), abi::Cause::kRecalled);
    }
    queue(thread, commit.cpu, commit.slice_ns, (commit.flags & abi::kCommitHead) != 0);
    settle(commit.cpu);
    return abi::Error::kOk;
}

void KernelModel::recall(SimThread& thread) {
    const std::uint32_t cpu = thread.word_cpu;
    if (thread.state == abi::ThreadState::kRunning) {
        unplace(take_current(cpu), abi::Cause::kRecalled);
        dispatch(cpu);
        if (world_.cpus[cpu].current == nullptr) {
            world_.tell_server(nullptr, cpu);
        }
        return;
    }
    world_.cpus[cpu].queue.remove(thread);
    --world_.waiting;  // unplace() counts it again
    const std::uint64_t waiting_since_ns = thread.waiting_since_ns;
    unplace(thread, abi::Cause::kRecalled);
    thread.waiting_since_ns = waiting_since_ns;
}

}  // namespace sim
