// SPDX-License-Identifier: MIT
//
// The interface of a scheduling policy. A policy decides the order of runnable threads, on which CPU each
// goes, and for how long. It makes no call, reads no clock (time is passed in) and keeps no thread by
// anything but its Task, so the same file runs in the server, in the simulator and in tests on the host.
// docs/writing-a-policy.md shows how to add one.
//
// The life of a Task, as the policy sees it:
//
//     enqueue() ──► pick_next() ──► stopped() ──► enqueue() ... when it is runnable again
//         └──► remove()  it stopped being runnable before it was picked
//     adopt()   ──► stopped() ──► enqueue() ...   it was on a CPU already
//
// Required are name(), enqueue() and pick_next(). Calls come one at a time. A Task stays at its address while
// the policy knows of it. All times are nanoseconds on one clock that never goes back.
#pragma once

#include "machine.hpp"
#include "parameter.hpp"
#include "report.hpp"
#include "task.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sched {

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};
inline constexpr std::uint32_t kUnlimitedDepth = ~std::uint32_t{0};

struct Pick {
    Task* task;
    std::uint64_t slice_ns;   // abi::kNoSlice: until it stops by itself
    std::uint32_t hints = 0;  // abi::kHintWake, kHintRotate: what the kernel shall do by itself from now on
};

// Which of the questions that come every round a policy has an answer of its own to: the server asks no others. Found by
// construct_policy(); a policy that is made in another way is asked all of them.
struct Questions {
    bool next_tick = true, preempt = true, recall = true;
};

class Policy {
public:
    Questions questions;

    [[nodiscard]] virtual std::string_view name() const = 0;

    // `task` has become runnable; why is the cause.
    virtual void enqueue(Task& task, abi::Cause cause, std::uint64_t now_ns) = 0;

    // Which of the enqueued threads `cpu` should run next; it is not enqueued from then on, and must be one
    // that may_run_on(cpu). Nothing only if no enqueued thread may run there, or the CPU shall stay idle.
    [[nodiscard]] virtual std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) = 0;

    // ---- More, for policies that want it.

    // An enqueued thread is not to be picked any more: it was killed, or somebody else placed it. What stands in
    // a TaskQueue is taken out of it; a policy that keeps its tasks elsewhere does that itself.
    virtual void remove(Task& task) {
        if (task.queue != nullptr) {
            task.queue->remove(task);
        }
    }

    // A picked or adopted thread has left its CPU, task.cpu. If it is still runnable, enqueue() follows. Cause
    // kNone: it never ran, because the kernel refused the commit.
    virtual void stopped(Task& /*task*/, abi::Cause /*cause*/, std::uint64_t /*now_ns*/) {}

    // `task` is on the CPU task.cpu though this policy did not pick it for there: it was when the policy took over, or
    // the kernel placed it, or the server moved it to a CPU that had run dry (then it was picked before).
    virtual void adopt(Task& /*task*/, std::uint64_t /*now_ns*/) {}

    // task.affinity of a picked or adopted thread has changed. (An enqueued one is removed and enqueued again.)
    virtual void affinity_changed(Task& /*task*/, std::uint64_t /*now_ns*/) {}

    // Whether a thread that is called has the claim of its most urgent caller (Task::donor): call_graph.hpp. Asked when the policy takes
    // over, and when a parameter was set.
    [[nodiscard]] virtual bool inherits() const { return false; }
    // Whether what `a` asks for by itself, whoever its donor is, goes before that of `b`. Either may be waiting.
    [[nodiscard]] virtual bool claims_before(const Task& /*a*/, const Task& /*b*/) const { return false; }
    // task.donor of a picked or adopted thread has changed. (An enqueued one is removed and enqueued again, with cause kNone.) The
    // donor before is still what it was.
    virtual void donor_changed(Task& /*task*/, std::uint64_t /*now_ns*/) {}

    // The thread has exited: after stopped() or remove(), but also where it waited and the policy had nothing to hear of it.
    // For what a policy keeps of threads that wait. Its Task is the next thread's.
    virtual void gone(Task& /*task*/, std::uint64_t /*now_ns*/) {}

    // How many threads the server keeps at a CPU, the running one included; asked when the policy takes over, and when a parameter was set. With 1 a CPU has nothing to
    // switch to until the server hears that it is free. With 2 the kernel goes on at once, and slices count:
    // it arms one only while another thread waits there. kUnlimitedDepth: all that pick_next() gives.
    [[nodiscard]] virtual std::uint32_t depth() const { return 1; }

    // Whether a CPU that is left with none, and for which pick_next() has none, is given a thread that stands behind another
    // one on another CPU. Not for policies that bind threads to CPUs, or leave CPUs idle on purpose.
    [[nodiscard]] virtual bool feeds_idle() const { return true; }

    // What the policy promises as things stand now: no thread stays enqueued for longer than this while a CPU where it may run is
    // idle all the time. 0 for policies that never leave a CPU idle beside work. Property tests and simulator hold it to that.
    [[nodiscard]] virtual std::uint64_t may_idle_ns() const { return 0; }

    // A CPU whose thread shall make room, now, for what pick_next() says for it next. Asked when every CPU has
    // what depth() allows, until the answer is none or pick_next() gives none.
    [[nodiscard]] virtual std::optional<std::uint32_t> preempt(std::uint64_t /*now_ns*/) {
        return std::nullopt;
    }

    // A placed thread that shall leave its CPU though nothing is to go there instead: stopped() and enqueue() with kRecalled
    // follow. Asked after preempt(), until nullptr; the same thread only once for each call of the policy. A recall that
    // arrives while the thread is on its way to the CPU has no effect, so whoever must have it asks again at a tick.
    [[nodiscard]] virtual Task* recall(std::uint64_t /*now_ns*/) { return nullptr; }

    // When tick() is due. Asked after every change; tick() comes at that time or a little later, never before.
    [[nodiscard]] virtual std::uint64_t next_tick_ns() const { return kNever; }
    virtual void tick(std::uint64_t /*now_ns*/) {}

    // What the policy can be told: its parameters, with the values that hold until somebody sets others.
    [[nodiscard]] virtual std::span<const Parameter> parameters() { return {}; }

    // Once, after the parameters and before all else -> an empty text, or why this policy cannot work with them or on this
    // machine. Then it is not used.
    [[nodiscard]] virtual std::string_view start(const Machine& /*machine*/) { return {}; }

    // The CPU is no longer to be picked for, or is again. What was placed there is stopped() with kCpuLost.
    virtual void cpu_taken(std::uint32_t /*cpu*/, std::uint64_t /*now_ns*/) {}
    virtual void cpu_returned(std::uint32_t /*cpu*/, std::uint64_t /*now_ns*/) {}

    // Numbers for people: counters that only grow, and what is where at the moment.
    virtual void statistics(Report& /*report*/) const {}
    virtual void dump(Report& /*report*/) const {}

protected:
    ~Policy() = default;
};

}  // namespace sched
