// SPDX-License-Identifier: MIT
//
// PlacedTasks: which tasks are on which CPU, and until when, for policies that keep one thread at a CPU (depth 1) and preempt it.
//
// A preempted thread stays on its CPU's list until it is stopped(), behind the one that takes its place; should the kernel
// refuse that one, the other is at the front again. Hence the rule of all who use this: preempt only a CPU with one
// thread (alone()); on a CPU with two a preemption is under way, or the kernel has put them there, and their slices
// end by themselves.
//
// CPU numbers beyond kPolicyCpus do not occur. Costs: each operation O(1), next_end_ns() O(served CPUs).
#pragma once

#include "policies/cpu_set.hpp"
#include "policy.hpp"

#include <algorithm>
#include <array>

namespace sched {

class PlacedTasks {
public:
    void start(const Machine& machine) {
        served_ = served_cpus(machine);
        end_ns_.fill(kNever);
    }

    // From the calls of the policy that bear these names. `end_ns`: when the policy wants to look at this CPU again.
    void picked(Task& task, std::uint32_t cpu, std::uint64_t end_ns) {
        lists_[cpu].push_front(task);
        end_ns_[cpu] = end_ns;
    }
    void adopt(Task& task, std::uint64_t end_ns) {
        if (task.queue != nullptr) {
            task.queue->remove(task);  // it was picked for another CPU
        }
        lists_[task.cpu].push_back(task);
        end_ns_[task.cpu] = end_ns;
    }
    void stopped(Task& task) { task.queue->remove(task); }
    void cpu_taken(std::uint32_t cpu) { served_.remove(cpu); }
    void cpu_returned(std::uint32_t cpu) { served_.add(cpu); }

    [[nodiscard]] const CpuSet& served() const { return served_; }
    [[nodiscard]] bool idle(std::uint32_t cpu) const { return lists_[cpu].empty(); }
    // The thread that runs there, or shall; nullptr if there is none.
    [[nodiscard]] Task* front(std::uint32_t cpu) const { return lists_[cpu].front(); }
    // The same, but nullptr also if there are more.
    [[nodiscard]] Task* alone(std::uint32_t cpu) const {
        return lists_[cpu].size() == 1 ? lists_[cpu].front() : nullptr;
    }
    [[nodiscard]] const TaskQueue& on(std::uint32_t cpu) const { return lists_[cpu]; }

    void set_end(std::uint32_t cpu, std::uint64_t end_ns) { end_ns_[cpu] = end_ns; }
    [[nodiscard]] std::uint64_t end_ns(std::uint32_t cpu) const { return end_ns_[cpu]; }
    // The first end on a CPU with one thread.
    [[nodiscard]] std::uint64_t next_end_ns() const {
        std::uint64_t next = kNever;
        for (const std::uint32_t cpu : served_) {
            if (alone(cpu) != nullptr) {
                next = std::min(next, end_ns_[cpu]);
            }
        }
        return next;
    }

private:
    CpuSet served_;
    std::array<TaskQueue, kPolicyCpus> lists_;
    std::array<std::uint64_t, kPolicyCpus> end_ns_{};
};

}  // namespace sched
