// SPDX-License-Identifier: MIT
//
// work_stealing: a queue for each CPU; one that has nothing takes a thread from the nearest CPU that has (Blumofe &
// Leiserson, "Scheduling multithreaded computations by work stealing", 1999; nearness as in Linux's scheduling domains).
// A thread queues where it ran last, for the sake of what it left in the caches. Parameter: slice_us. For real use.
//
// Both ends are first in, first out: the owner takes its oldest thread, since these are threads with slices, not the tasks of one
// computation, for which the youngest would be best; a thief takes the oldest, too, whose cache contents are the coldest.
// Near is: the same core, else the same last-level cache, else the same memory node, else any; of several the CPU with
// the longest queue. The only thread of a CPU that is idle itself is not stolen: that CPU is about to run it.
//
// Invariants: no CPU idles while an enqueued thread may run there; a CPU steals only when its own queue has nothing for it, or at
// the end of a slice, where a queue is longer than its own by two or more; no thief passes over a nearer victim. So
// queues even out, as far as affinity allows, and no thread waits longer than (threads) x slice.
//
// Costs: O(1) for a CPU's own queue, O(CPUs) to steal.
#include "policies/placed_tasks.hpp"
#include "registry.hpp"

namespace sched {
namespace {

class WorkStealing final : public Policy {
public:
    std::string_view name() const override { return "work_stealing"; }
    std::span<const Parameter> parameters() override { return parameters_; }
    std::string_view start(const Machine& machine) override {
        places_ = machine.cpus;
        placed_.start(machine);
        return places_.empty() ? "needs to be told of the machine" : "";
    }

    void enqueue(Task& task, abi::Cause, std::uint64_t) override {
        const std::uint32_t cpu = nearest_allowed(task);
        queues_[cpu].push_back(task);
        busy_.add(cpu);
    }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        Task* task = placed_.idle(cpu) ? nullptr : to_even_out(cpu);
        task = task == nullptr ? first_for(cpu, cpu) : task;
        task = task == nullptr ? to_steal(cpu, 1) : task;
        if (task == nullptr) {
            return std::nullopt;
        }
        steals_ += task->queue != &queues_[cpu] ? 1 : 0;
        remove(*task);
        placed_.picked(*task, cpu, now_ns + slice_us_ * 1000);
        return Pick{task, slice_us_ * 1000};
    }

    void adopt(Task& task, std::uint64_t now_ns) override { placed_.adopt(task, now_ns + slice_us_ * 1000); }
    void stopped(Task& task, abi::Cause, std::uint64_t) override { placed_.stopped(task); }

    // A CPU whose slice has ended and which has something to go on with.
    std::optional<std::uint32_t> preempt(std::uint64_t now_ns) override {
        for (const std::uint32_t cpu : placed_.served()) {
            if (placed_.alone(cpu) == nullptr || placed_.end_ns(cpu) > now_ns) {
                continue;
            }
            if (has_own(cpu) || to_even_out(cpu) != nullptr) {
                return cpu;
            }
            placed_.set_end(cpu, now_ns + slice_us_ * 1000);
        }
        return std::nullopt;
    }
    std::uint64_t next_tick_ns() const override {
        for (const std::uint32_t cpu : busy_) {
            if (!queues_[cpu].empty()) {
                return placed_.next_end_ns();
            }
        }
        return kNever;
    }
    // preempt() asks for the next one where there is one; elsewhere a new slice begins.
    void tick(std::uint64_t now_ns) override {
        for (const std::uint32_t cpu : placed_.served()) {
            if (placed_.end_ns(cpu) <= now_ns && !has_own(cpu) && to_even_out(cpu) == nullptr) {
                placed_.set_end(cpu, now_ns + slice_us_ * 1000);
            }
        }
    }

    void cpu_taken(std::uint32_t cpu, std::uint64_t) override {
        placed_.cpu_taken(cpu);
    }  // others steal what waits there
    void cpu_returned(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_returned(cpu); }

    void statistics(Report& report) const override { report.number("steals", steals_); }

private:
    std::uint32_t distance(std::uint32_t a, std::uint32_t b) const {
        if (a >= places_.size() || b >= places_.size()) {
            return 3;
        }
        const CpuPlace& one = places_[a];
        const CpuPlace& other = places_[b];
        return one.core == other.core ? 0 : one.cache == other.cache ? 1 : one.node == other.node ? 2 : 3;
    }

    // Where it ran last, or the nearest CPU where it may run; where it ran last also if there is none.
    std::uint32_t nearest_allowed(const Task& task) const {
        const std::uint32_t last = std::min(task.last_cpu, kPolicyCpus - 1);
        if (placed_.served().has(last) && task.may_run_on(last)) {
            return last;
        }
        std::optional<std::uint32_t> best;
        for (const std::uint32_t cpu : placed_.served()) {
            if (task.may_run_on(cpu) && (!best || distance(last, cpu) < distance(last, *best))) {
                best = cpu;
            }
        }
        return best.value_or(last);
    }

    Task* first_for(std::uint32_t queue, std::uint32_t cpu) const {
        for (Task& task : queues_[queue]) {
            if (task.may_run_on(cpu)) {
                return &task;
            }
        }
        return nullptr;
    }
    bool has_own(std::uint32_t cpu) const { return first_for(cpu, cpu) != nullptr; }

    // What a CPU takes at the end of a slice, so that no queue is longer than another by two.
    Task* to_even_out(std::uint32_t cpu) { return to_steal(cpu, queues_[cpu].size() + 2); }

    // A thread for `thief` from the nearest queue with at least `least`, of several the longest; nullptr if there is none.
    Task* to_steal(std::uint32_t thief, std::size_t least) {
        Task* best = nullptr;
        std::uint32_t from = 0;
        for (const std::uint32_t cpu : busy_) {
            const std::size_t size = queues_[cpu].size();
            if (size == 0) {
                busy_.remove(cpu);
                continue;
            }
            if (cpu == thief || size < least ||
                (size == 1 && placed_.served().has(cpu) && placed_.idle(cpu) && has_own(cpu))) {
                continue;
            }
            const std::uint32_t far = distance(thief, cpu);
            const bool better = best == nullptr || far < distance(thief, from) ||
                                (far == distance(thief, from) && size > queues_[from].size());
            Task* const task = better ? first_for(cpu, thief) : nullptr;
            if (task != nullptr) {
                best = task;
                from = cpu;
            }
        }
        return best;
    }

    std::span<const CpuPlace> places_;
    PlacedTasks placed_;
    std::array<TaskQueue, kPolicyCpus> queues_;
    CpuSet busy_;  // all CPUs with a thread in their queue are in it; others may be
    std::uint64_t steals_ = 0;
    std::uint64_t slice_us_ = 5000;
    std::array<Parameter, 1> parameters_{{{"slice_us", &slice_us_, 100, 1'000'000}}};
};

}  // namespace

Policy& make_work_stealing(PolicyStorage& storage) { return construct_policy<WorkStealing>(storage); }

}  // namespace sched
