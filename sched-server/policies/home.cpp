// SPDX-License-Identifier: MIT
//
// home: each thread has a home CPU, and the kernel wakes and rotates it there by itself. When a thread becomes runnable for
// the first time, its home is the CPU with the fewest homes that it may run on; its first commit carries hints
// (docs/scheduling.md, "Hints"), and from then on the server hears of it only when it starts, exits, or may no longer run
// at home. Parameter: slice_us. For real use, with threads that are alike; the idea is the per-CPU run queue without
// balancing, as in Multics and every Unix that was first made parallel.
//
// Invariants: a thread is placed at its home alone, while it may run there and the policy has that CPU; homes are spread so that, of
// two CPUs that a new thread may run on, it gets the one with fewer; all threads of a CPU stand in its queue, so none
// waits with the server, and each runs once in (threads at home) x slice. CPUs may idle while others have several
// threads: nothing is moved.
#include "policies/cpu_set.hpp"
#include "registry.hpp"

namespace sched {
namespace {

class Home final : public Policy {
public:
    std::string_view name() const override { return "home"; }
    std::uint32_t depth() const override { return kUnlimitedDepth; }
    bool feeds_idle() const override { return false; }

    std::string_view start(const Machine& machine) override {
        served_ = served_cpus(machine);
        return {};
    }
    std::span<const Parameter> parameters() override { return parameters_; }

    void enqueue(Task& task, abi::Cause, std::uint64_t) override {
        if (!has_home(task) || !suits(task, home(task))) {
            move_home(task);
        }
        (has_home(task) ? at_home_[home(task)] : homeless_).push_back(task);
    }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* task = at_home_[cpu].pop_front();
        if (task == nullptr) {
            task = homeless_.take_first(cpu);
            if (task == nullptr) {
                return std::nullopt;
            }
            settle_at(*task, cpu);
        }
        return Pick{task, slice_us_ * 1000, abi::kHintWake | abi::kHintRotate};
    }

    // Where it is now is as good a home as any.
    void adopt(Task& task, std::uint64_t) override {
        if (!has_home(task) && suits(task, task.cpu)) {
            settle_at(task, task.cpu);
        }
    }

    void gone(Task& task, std::uint64_t) override { leave_home(task); }

    void cpu_taken(std::uint32_t cpu, std::uint64_t now_ns) override {
        served_.remove(cpu);
        while (Task* const task = at_home_[cpu].pop_front()) {
            enqueue(*task, abi::Cause::kCpuLost, now_ns);
        }
    }
    void cpu_returned(std::uint32_t cpu, std::uint64_t) override { served_.add(cpu); }

    void statistics(Report& report) const override {
        report.number("homes_given", homes_given_);
        report.number("homes_changed", homes_changed_);
    }

private:
    // scratch[0]: its home + 1; 0: it has none yet.
    static bool has_home(const Task& task) { return task.scratch[0] != 0; }
    static std::uint32_t home(const Task& task) { return static_cast<std::uint32_t>(task.scratch[0] - 1); }
    bool suits(const Task& task, std::uint32_t cpu) const { return served_.has(cpu) && task.may_run_on(cpu); }

    void leave_home(Task& task) {
        if (has_home(task)) {
            --homes_[home(task)];
            task.scratch[0] = 0;
        }
    }
    void settle_at(Task& task, std::uint32_t cpu) {
        ++homes_[cpu];
        ++homes_given_;
        task.scratch[0] = cpu + 1;
    }
    // To the CPU with the fewest, the lowest of several; to none if it may run nowhere at the moment.
    void move_home(Task& task) {
        homes_changed_ += has_home(task) ? 1 : 0;
        leave_home(task);
        std::optional<std::uint32_t> best;
        for (const std::uint32_t cpu : served_) {
            if (task.may_run_on(cpu) && (!best || homes_[cpu] < homes_[*best])) {
                best = cpu;
            }
        }
        if (best) {
            settle_at(task, *best);
        }
    }

    CpuSet served_;
    std::array<TaskQueue, kPolicyCpus> at_home_;  // enqueued, by home
    TaskQueue homeless_;                          // enqueued, and no CPU of ours is allowed
    std::array<std::uint32_t, kPolicyCpus> homes_{};
    std::uint64_t homes_given_ = 0;
    std::uint64_t homes_changed_ = 0;
    std::uint64_t slice_us_ = 5000;
    std::array<Parameter, 1> parameters_{{{"slice_us", &slice_us_, 100, 1'000'000}}};
};

}  // namespace

Policy& make_home(PolicyStorage& storage) { return construct_policy<Home>(storage); }

}  // namespace sched
