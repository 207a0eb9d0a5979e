// SPDX-License-Identifier: MIT
//
// fair: earliest eligible virtual deadline first, EEVDF (Stoica & Abdel-Wahab, "Earliest Eligible Virtual Deadline First: a
// flexible and accurate mechanism for proportional share resource allocation", 1995; Linux since 6.6). Each thread has
// the weight in its label (abi/sched_label.hpp), and asks for the CPU in requests of request_us. A thread is eligible when it
// has had no more than its share (v <= V: fair_load.hpp); a request's virtual deadline is its eligible time + request /
// weight. The CPU goes to the eligible thread with the earliest deadline, at the end of each
// request, and at once when one wakes. For real use.
//
// One queue for all CPUs, so that the shares are of the whole machine. Invariants: no CPU idles while an enqueued thread may run
// there (where none is eligible, the one with the least service runs); whenever the policy is asked, no eligible enqueued
// thread has an earlier deadline than one that runs where it may run, too; on one CPU no thread's lag leaves (-request, request), but for the time that a
// tick is late. On several CPUs that holds for weights that the machine can honour: a thread cannot use more than one CPU. What
// it, or one whose affinity keeps it behind others, could not get, is forgotten beyond kLagRequests requests.
// A thread that blocks keeps its lag, within that limit, until it is runnable again.
//
// Costs: O(log threads) for threads that may run anywhere, else up to O(threads) (augmented_tree.hpp); O(CPUs) to bring
// the service of what runs up to date.
#include "policies/fair_load.hpp"

#include "attributes.hpp"
#include "policies/placed_tasks.hpp"
#include "registry.hpp"

namespace sched {
namespace {

// In Task::scratch.
constexpr std::size_t kService = 0;        // v while it competes, else V - v when it stopped
constexpr std::size_t kDeadline = 1;       // while it competes, else what was left to it
constexpr std::size_t kWeight = 2;         // as it is counted; 0: does not compete
constexpr std::size_t kRuntimeAtPick = 3;  // Task::runtime_ns
constexpr std::size_t kPickedNs = 4;
constexpr std::size_t kChargedNs = 5;  // since then

struct ByService {
    static std::uint64_t key(const Task& task) { return task.scratch[kService]; }
    static std::uint64_t value(const Task& task) { return task.scratch[kDeadline]; }
};

class Fair final : public Policy {
public:
    std::string_view name() const override { return "fair"; }
    std::span<const Parameter> parameters() override { return parameters_; }
    std::string_view start(const Machine& machine) override {
        placed_.start(machine);
        return {};
    }

    void enqueue(Task& task, abi::Cause cause, std::uint64_t now_ns) override {
        charge_all(now_ns);
        compete(task,
                cause == abi::Cause::kRecalled ? static_cast<std::int64_t>(task.scratch[kDeadline]) : 0);
        waiting_.insert(task);
    }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        charge_all(now_ns);
        Task* task = earliest(cpu);
        if (task == nullptr) {
            const auto may_run = [cpu](const Task& other) { return other.may_run_on(cpu); };
            task = waiting_.first(may_run);
            if (task == nullptr) {
                return std::nullopt;
            }
        }
        waiting_.remove(*task);
        begin_to_run(*task, now_ns);
        placed_.picked(*task, cpu, now_ns + left_ns(*task));
        return Pick{task, request_us_ * 1000};
    }

    void remove(Task& task) override {
        waiting_.remove(task);
        retire(task);
    }

    void adopt(Task& task, std::uint64_t now_ns) override {
        if (task.scratch[kWeight] == 0) {
            charge_all(now_ns);
            compete(task, 0);
            begin_to_run(task, now_ns);
        }
        placed_.adopt(task, now_ns + left_ns(task));
    }

    void stopped(Task& task, abi::Cause, std::uint64_t now_ns) override {
        charge_all(now_ns);
        // Of an adopted one, what came before is none of ours.
        charge(task, static_cast<std::int64_t>(std::min(task.runtime_ns - task.scratch[kRuntimeAtPick],
                                                        now_ns - task.scratch[kPickedNs])));
        placed_.stopped(task);
        retire(task);
    }

    // A CPU whose thread is not eligible for the request that it is about to begin, while another is; or that whose thread has the
    // latest deadline, if an eligible one with an earlier deadline may run there.
    std::optional<std::uint32_t> preempt(std::uint64_t now_ns) override {
        charge_all(now_ns);
        std::optional<std::uint32_t> best;
        std::uint64_t latest = 0;
        for (const std::uint32_t cpu : placed_.served()) {
            Task* const victim = placed_.alone(cpu);
            if (victim == nullptr) {
                continue;
            }
            renew(*victim, cpu, now_ns);
            const Task* const task = earliest(cpu);
            if (task == nullptr) {
                continue;
            }
            if (begins_too_early(*victim)) {
                best = cpu;
                break;
            }
            const std::uint64_t deadline = victim->scratch[kDeadline];
            if (is_before(task->scratch[kDeadline], deadline) && (!best || is_before(latest, deadline))) {
                best = cpu;
                latest = deadline;
            }
        }
        preemptions_ += best ? 1 : 0;
        return best;
    }

    // The ends of requests, while anybody waits.
    std::uint64_t next_tick_ns() const override { return waiting_.empty() ? kNever : placed_.next_end_ns(); }
    void tick(std::uint64_t now_ns) override {
        charge_all(now_ns);
        for (const std::uint32_t cpu : placed_.served()) {
            Task* const task = placed_.alone(cpu);
            if (task != nullptr && placed_.end_ns(cpu) <= now_ns) {
                renew(*task, cpu, now_ns);
                placed_.set_end(cpu,
                                now_ns + left_ns(*task));  // also where it is not there yet, by a rounding
            }
        }
    }

    void cpu_taken(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_taken(cpu); }
    void cpu_returned(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_returned(cpu); }

    void statistics(Report& report) const override {
        report.number("preemptions", preemptions_);
        report.number("lags_cut", lags_cut_);
    }

private:
    static constexpr std::int64_t kLagRequests = 8;
    static constexpr std::int64_t kLeastLeftNs = 100'000;

    std::int64_t request(std::uint64_t weight) const {
        return FairLoad::virtual_time(static_cast<std::int64_t>(request_us_ * 1000), weight);
    }
    std::uint64_t left_ns(const Task& task) const {
        const auto left = static_cast<std::int64_t>(task.scratch[kDeadline] - task.scratch[kService]);
        return static_cast<std::uint64_t>(
            std::max(FairLoad::real_time(left, task.scratch[kWeight]), kLeastLeftNs));
    }

    // `left`: of a request that was cut short, in units of v.
    void compete(Task& task, std::int64_t left) {
        const std::uint64_t weight = Attributes::of(task.label).weight;
        const std::uint64_t v = load_.join(weight, static_cast<std::int64_t>(task.scratch[kService]));
        task.scratch[kWeight] = weight;
        task.scratch[kService] = v;
        task.scratch[kDeadline] = v + static_cast<std::uint64_t>(left > 0 ? left : request(weight));
    }
    void retire(Task& task) {
        const std::uint64_t weight = std::exchange(task.scratch[kWeight], 0);
        const std::uint64_t v = task.scratch[kService];
        const std::int64_t most = kLagRequests * request(weight);
        task.scratch[kDeadline] -= v;
        task.scratch[kService] =
            static_cast<std::uint64_t>(std::clamp(static_cast<std::int64_t>(load_.now() - v), -most, most));
        load_.leave(weight, v);
    }

    void begin_to_run(Task& task, std::uint64_t now_ns) {
        task.scratch[kRuntimeAtPick] = task.runtime_ns;
        task.scratch[kPickedNs] = now_ns;
        task.scratch[kChargedNs] = 0;
    }
    // It has run for `ns` since it was picked: exactly, if it has stopped, else as far as the policy can know. A task that stands
    // in the tree must not be charged.
    void charge(Task& task, std::int64_t ns) {
        const auto before = static_cast<std::int64_t>(
            std::exchange(task.scratch[kChargedNs], static_cast<std::uint64_t>(ns)));
        // The difference of two sums, so that roundings do not add up.
        const std::int64_t units = FairLoad::virtual_time(ns, task.scratch[kWeight]) -
                                   FairLoad::virtual_time(before, task.scratch[kWeight]);
        task.scratch[kService] += static_cast<std::uint64_t>(units);
        load_.served(task.scratch[kWeight], units);
    }
    void charge_all(std::uint64_t now_ns) {
        for (const std::uint32_t cpu : placed_.served()) {
            Task* const task = placed_.front(cpu);
            if (task != nullptr) {
                charge(*task, static_cast<std::int64_t>(now_ns - task->scratch[kPickedNs]));
                cut_lag(*task);
            }
        }
    }
    // Of a thread that runs.
    void cut_lag(Task& task) {
        const std::int64_t most = kLagRequests * request(task.scratch[kWeight]);
        const auto behind = static_cast<std::int64_t>(load_.now() - task.scratch[kService]);
        const std::int64_t units = behind - std::clamp(behind, -most, most);
        if (units != 0) {
            ++lags_cut_;
            task.scratch[kService] += static_cast<std::uint64_t>(units);
            task.scratch[kDeadline] += static_cast<std::uint64_t>(units);
            load_.served(task.scratch[kWeight], units);
        }
    }

    // Its request is fulfilled: the next one.
    void renew(Task& task, std::uint32_t cpu, std::uint64_t now_ns) {
        if (!is_before(task.scratch[kService], task.scratch[kDeadline])) {
            task.scratch[kDeadline] =
                task.scratch[kService] + static_cast<std::uint64_t>(request(task.scratch[kWeight]));
            placed_.set_end(cpu, now_ns + left_ns(task));
        }
    }

    bool begins_too_early(const Task& task) {
        const std::uint64_t v = task.scratch[kService];
        return task.scratch[kDeadline] - v == static_cast<std::uint64_t>(request(task.scratch[kWeight])) &&
               is_before(load_.now(), v);
    }

    Task* earliest(std::uint32_t cpu) {
        return waiting_.least_up_to(load_.now(), [cpu](const Task& task) { return task.may_run_on(cpu); });
    }

    FairLoad load_;
    AugmentedTree<Task, &Task::tree_node, ByService> waiting_;
    PlacedTasks placed_;
    std::uint64_t preemptions_ = 0;
    std::uint64_t lags_cut_ = 0;
    std::uint64_t request_us_ = 3000;
    std::array<Parameter, 1> parameters_{{{"request_us", &request_us_, 200, 1'000'000}}};
};

}  // namespace

Policy& make_fair(PolicyStorage& storage) { return construct_policy<Fair>(storage); }

}  // namespace sched
