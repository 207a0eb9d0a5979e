// SPDX-License-Identifier: MIT
//
// priority: fixed priorities, preemptive, as POSIX's SCHED_FIFO and SCHED_RR (IEEE 1003.1, "Scheduling Policies"); the pick by
// bitmap is that of Linux 2.6's O(1) scheduler. The priority, 1 to 255, is in the thread's label (abi/sched_label.hpp);
// higher is more urgent. Parameter: slice_us, after which a thread makes room for others of its priority; 0: it does
// not; inherit, 1 or 0: whether a thread that is called has at least the priority of whoever waits for its reply, along chains of
// calls (Sha, Rajkumar & Lehoczky, "Priority inheritance protocols", 1990; QNX and seL4's call with the caller's scheduling
// context do so for messages). For real use where somebody answers for the priorities: a thread that never blocks starves all below it.
//
// Invariants, once commits under way have arrived: no enqueued thread is more urgent than one that runs on a CPU where it may
// run, too; no CPU idles while an enqueued thread may run there. Within one priority, first in, first out; a thread that
// was preempted by a more urgent one comes back at the head of its priority, with a new slice.
//
// The pick is O(1) where threads may run anywhere, else linear in the enqueued threads that may not run there; preempt()
// is O(CPUs).
#include "attributes.hpp"
#include "policies/placed_tasks.hpp"
#include "registry.hpp"

#include <bit>

namespace sched {
namespace {

class Priority final : public Policy {
public:
    std::string_view name() const override { return "priority"; }
    std::span<const Parameter> parameters() override { return parameters_; }
    std::string_view start(const Machine& machine) override {
        placed_.start(machine);
        return {};
    }

    void enqueue(Task& task, abi::Cause cause, std::uint64_t) override {
        const std::uint32_t level = priority(task);
        task.scratch[kLevel] = level;
        const bool had_to_go = cause == abi::Cause::kRecalled && task.scratch[kSliceUsed] == 0;
        if (had_to_go) {
            queues_[level].push_front(task);
        } else {
            queues_[level].push_back(task);
        }
        waiting_[level / 64] |= std::uint64_t{1} << level % 64;
        task.scratch[kSliceUsed] = 0;
    }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        Task* const task = most_urgent(cpu);
        if (task == nullptr) {
            return std::nullopt;
        }
        if (Task* const victim = placed_.front(cpu)) {
            preemptions_ += priority(*victim) < priority(*task) ? 1 : 0;
            victim->scratch[kSliceUsed] = priority(*victim) < priority(*task) ? 0 : 1;
        }
        remove(*task);
        placed_.picked(*task, cpu, slice_end(now_ns));
        return Pick{task, slice_us_ * 1000};
    }

    void remove(Task& task) override {
        const std::uint64_t level = task.scratch[kLevel];
        queues_[level].remove(task);
        if (queues_[level].empty()) {
            waiting_[level / 64] &= ~(std::uint64_t{1} << level % 64);
        }
    }

    void adopt(Task& task, std::uint64_t now_ns) override { placed_.adopt(task, slice_end(now_ns)); }
    void stopped(Task& task, abi::Cause, std::uint64_t) override { placed_.stopped(task); }

    bool inherits() const override { return inherit_ != 0; }
    bool claims_before(const Task& a, const Task& b) const override { return own(a) > own(b); }

    // The CPU with the least urgent thread that must go.
    std::optional<std::uint32_t> preempt(std::uint64_t now_ns) override {
        std::optional<std::uint32_t> best;
        std::uint32_t least = Attributes::Label::kMaxPriority + 1;
        for (const std::uint32_t cpu : placed_.served()) {
            const Task* const victim = placed_.alone(cpu);
            if (victim == nullptr || priority(*victim) >= least) {
                continue;
            }
            const Task* const task = most_urgent(cpu);
            if (task != nullptr &&
                priority(*task) + (placed_.end_ns(cpu) <= now_ns ? 1 : 0) > priority(*victim)) {
                best = cpu;
                least = priority(*victim);
            }
        }
        return best;
    }

    // The ends of slices, while an equal waits.
    std::uint64_t next_tick_ns() const override {
        std::uint64_t next = kNever;
        for (const std::uint32_t cpu : placed_.served()) {
            const Task* const task = placed_.alone(cpu);
            if (task != nullptr && !queues_[priority(*task)].empty()) {
                next = std::min(next, placed_.end_ns(cpu));
            }
        }
        return next;
    }
    // Where an equal waits that may run there, preempt() sees that the slice has ended; elsewhere a new one begins.
    void tick(std::uint64_t now_ns) override {
        for (const std::uint32_t cpu : placed_.served()) {
            const Task* const task = placed_.alone(cpu);
            const Task* const next = task != nullptr ? most_urgent(cpu) : nullptr;
            if (task != nullptr && placed_.end_ns(cpu) <= now_ns &&
                (next == nullptr || priority(*next) < priority(*task))) {
                placed_.set_end(cpu, slice_end(now_ns));
            }
        }
    }

    void cpu_taken(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_taken(cpu); }
    void cpu_returned(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_returned(cpu); }

    void statistics(Report& report) const override { report.number("preemptions", preemptions_); }

private:
    // In scratch: it made room for an equal; the queue in which it stands.
    static constexpr std::size_t kSliceUsed = 0, kLevel = 1;

    static std::uint32_t own(const Task& task) { return Attributes::of(task.label).priority; }
    static std::uint32_t priority(const Task& task) {
        return task.donor != nullptr ? std::max(own(task), own(*task.donor)) : own(task);
    }
    std::uint64_t slice_end(std::uint64_t now_ns) const {
        return slice_us_ != 0 ? now_ns + slice_us_ * 1000 : kNever;
    }

    Task* most_urgent(std::uint32_t cpu) const {
        for (std::size_t word = waiting_.size(); word-- != 0;) {
            for (std::uint64_t rest = waiting_[word]; rest != 0;) {
                const auto bit = static_cast<std::size_t>(std::bit_width(rest)) - 1;
                for (Task& task : queues_[word * 64 + bit]) {
                    if (task.may_run_on(cpu)) {
                        return &task;
                    }
                }
                rest &= ~(std::uint64_t{1} << bit);
            }
        }
        return nullptr;
    }

    std::array<TaskQueue, Attributes::Label::kMaxPriority + 1> queues_;
    std::array<std::uint64_t, (Attributes::Label::kMaxPriority + 1) / 64>
        waiting_{};  // which of them have threads
    PlacedTasks placed_;
    std::uint64_t preemptions_ = 0;
    std::uint64_t slice_us_ = 5000;
    std::uint64_t inherit_ = 1;
    std::array<Parameter, 2> parameters_{
        {{"slice_us", &slice_us_, 0, 1'000'000}, {"inherit", &inherit_, 0, 1}}};
};

}  // namespace

Policy& make_priority(PolicyStorage& storage) { return construct_policy<Priority>(storage); }

}  // namespace sched
