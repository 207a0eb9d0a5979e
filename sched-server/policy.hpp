// SPDX-License-Identifier: MIT
//
// The interface of a scheduling policy. A policy decides the order of runnable threads, on which CPU each
// goes, and for how long. It makes no call, reads no clock (time is passed in) and keeps no thread by
// anything but its Task, so the same file runs in the server and in tests on the host.
// docs/writing-a-policy.md shows how to add one.
//
// The life of a Task, as the policy sees it:
//
//     enqueue() ──► pick_next() ──► stopped() ──► enqueue() ... when it is runnable again
//         └──► remove()  it stopped being runnable before it was picked
//
// Calls come one at a time. A Task stays at its address while the policy knows of it.
#pragma once

#include "abi/sched.hpp"
#include "abi/types.hpp"
#include "core/intrusive_queue.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sched {

namespace abi = cox::abi;

struct Task {
    // Kept by the server.
    abi::ThreadRef ref;
    std::uint64_t affinity = 0;  // mask of CPUs; does not change while the task is enqueued
    std::uint64_t label = 0;
    std::uint64_t runtime_ns = 0;         // until it last stopped
    std::uint64_t runnable_since_ns = 0;  // on the clock of `now_ns`
    std::uint32_t last_cpu = 0;

    // The policy's own. Zero for a new thread; the node is linked only as long as the policy links it.
    cox::core::QueueNode<Task> queue_node;
    std::array<std::uint64_t, 4> scratch{};

    [[nodiscard]] bool may_run_on(std::uint32_t cpu) const { return (affinity >> cpu & 1) != 0; }
};

using TaskQueue = cox::core::IntrusiveQueue<Task, &Task::queue_node>;

struct Pick {
    Task* task;
    std::uint64_t slice_ns;  // abi::kNoSlice: until it stops by itself
};

class Policy {
public:
    [[nodiscard]] virtual std::string_view name() const = 0;

    // How many threads the server keeps at a CPU, the running one included. With 1 a CPU has nothing to
    // switch to until the server hears that it is free. With 2 the kernel goes on at once, and slices count:
    // it arms one only while another thread waits there. With 2 or more, a CPU left with none is given a
    // thread of another one, so a policy that leaves CPUs idle on purpose keeps to 1.
    [[nodiscard]] virtual std::uint32_t depth() const { return 1; }

    // `task` has become runnable; why is the cause.
    virtual void enqueue(Task& task, abi::Cause cause, std::uint64_t now_ns) = 0;

    // Which of the enqueued threads `cpu` should run next; it is not enqueued from then on, and must be one
    // that may_run_on(cpu). Nothing only if no enqueued thread may run there, or the CPU shall stay idle.
    [[nodiscard]] virtual std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) = 0;

    // An enqueued thread is not to be picked any more: it was killed, or somebody else placed it.
    virtual void remove(Task& task) = 0;

    // A picked thread has left its CPU. If it is still runnable, enqueue() follows. Cause kNone: it never
    // ran, because the kernel refused the commit.
    virtual void stopped(Task& /*task*/, abi::Cause /*cause*/, std::uint64_t /*now_ns*/) {}

protected:
    ~Policy() = default;
};

}  // namespace sched
