// SPDX-License-Identifier: MIT
//
// edf: earliest deadline first (Liu & Layland 1973) with admission and budgets (constant-bandwidth servers, Abeni & Buttazzo 1998:
// reservation.hpp). A thread whose label (abi/sched_label.hpp) gives a period and a budget is admitted if some CPU has so
// much left of utilisation_percent; its deadline is its release, when it wakes, + period. All others, and those that
// have used up their budget until their deadline, run in the background: first in, first out, with slices.
// Parameters: utilisation_percent, of each CPU; slice_us, in the background; inherit, 1 or 0: whether a thread that is called runs on
// its caller's budget and deadline, along chains of calls (bandwidth inheritance: reservation.hpp). For real use.
//
// Partitioned: an admitted thread has a home CPU, the first with room (first fit), on which EDF is optimal: a set of up to
// 100 % meets all its deadlines there, where a single queue for all CPUs may miss some beyond a little over 100 % in
// total, however many CPUs there are (Dhall & Liu 1978). The price is that a thread may be refused though the CPUs
// together have room for it. The default of 95 % leaves something to the server itself and to the background.
//
// Invariants: the utilisations of the threads at home on a CPU sum up to no more than the limit; no CPU idles while an enqueued
// thread may run there, for an idle one helps others with their admitted threads, which takes nothing from anybody; at home an
// admitted thread waits only for admitted ones with deadlines that are no later; one that wants more than its budget
// delays no other admitted one. A deadline is missed when it passes while the thread, released in time, has budget left and
// wants to run; with an admitted set, that happens only by the time that decisions and commits take.
//
// Costs: O(log threads), and O(CPUs) per decision.
#include "policies/placed_tasks.hpp"
#include "policies/reservation.hpp"
#include "registry.hpp"

namespace sched {
namespace {

using State = Reservation::State;

struct ByDeadline {
    static std::uint64_t key(const Task& task) { return Reservation::used_deadline_ns(task); }
    static std::uint64_t value(const Task& task) { return key(task); }
};
using DeadlineTree = AugmentedTree<Task, &Task::tree_node, ByDeadline>;

class Edf final : public Policy {
public:
    std::string_view name() const override { return "edf"; }
    std::span<const Parameter> parameters() override { return parameters_; }
    std::string_view start(const Machine& machine) override {
        placed_.start(machine);
        return {};
    }

    void enqueue(Task& task, abi::Cause, std::uint64_t now_ns) override {
        prepare(task, now_ns);
        const Reservation used = Reservation::used_by(task);
        if (used.state() == State::kReady) {
            ready_[used.home()].insert(task);
        } else {
            background_.push_back(task);
        }
    }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        Task* task = most_urgent(cpu, now_ns);
        if (task == nullptr) {
            task = first_in_background(cpu);
        }
        if (task == nullptr && placed_.idle(cpu)) {
            task = to_help(cpu);
            helped_ += task != nullptr ? 1 : 0;
        }
        if (task == nullptr) {
            return std::nullopt;
        }
        dequeue(*task);
        Reservation(*task).run(now_ns);
        placed_.picked(*task, cpu, look_again_ns(*task, now_ns));
        return Pick{task, slice_us_ * 1000};
    }

    void remove(Task& task) override {
        dequeue(task);
        unlink_exhausted(task);
        Reservation::set_holder(task, nullptr);
    }

    void adopt(Task& task, std::uint64_t now_ns) override {
        if (task.queue == nullptr) {
            prepare(task, now_ns);
            Reservation(task).run(now_ns);
        }
        placed_.adopt(task, look_again_ns(task, now_ns));
    }

    void stopped(Task& task, abi::Cause cause, std::uint64_t now_ns) override {
        placed_.stopped(task);
        Reservation reservation(task);
        Reservation used = Reservation::used_by(task);
        const bool job_done = cause == abi::Cause::kBlocked || cause == abi::Cause::kWoken ||
                              cause == abi::Cause::kSuspended || cause == abi::Cause::kResumed ||
                              cause == abi::Cause::kExited;
        if (used.state() == State::kReady) {
            misses_ += job_done && Reservation::uses_own(task) && now_ns > used.deadline_ns() ? 1 : 0;
            use(used, reservation.ran_ns(now_ns));
        }
        unlink_exhausted(task);
        Reservation::set_holder(task, nullptr);
        if (job_done) {
            reservation.set_released(false);
        }
    }

    void gone(Task& task, std::uint64_t) override { leave(task); }

    bool inherits() const override { return inherit_ != 0; }
    // Those with budget first, by deadline; then those that wait for their next one.
    bool claims_before(const Task& a, const Task& b) const override {
        const Reservation one(const_cast<Task&>(a)), other(const_cast<Task&>(b));
        if (!one.admitted() || !other.admitted() || one.state() != other.state()) {
            return one.admitted() && (!other.admitted() || one.state() == State::kReady);
        }
        return is_before(one.deadline_ns(), other.deadline_ns());
    }
    // What it has run so far is the old one's.
    void donor_changed(Task& task, std::uint64_t now_ns) override {
        Reservation used = Reservation::used_by(task);
        if (used.state() == State::kReady) {
            use(used, now_ns - Reservation(task).since_ns());
        }
        unlink_exhausted(task);
        choose_reservation(task, now_ns);
        Reservation(task).run(now_ns);
        if (placed_.front(task.cpu) == &task) {
            placed_.set_end(task.cpu, look_again_ns(task, now_ns));
        }
    }

    std::optional<std::uint32_t> preempt(std::uint64_t now_ns) override {
        for (const std::uint32_t cpu : placed_.served()) {
            Task* const victim = placed_.alone(cpu);
            if (victim == nullptr) {
                continue;
            }
            const bool at_work = is_at_work(*victim, cpu);
            const Task* const task = most_urgent(cpu, now_ns);
            if (task != nullptr &&
                (!at_work || is_before(ByDeadline::key(*task), ByDeadline::key(*victim)))) {
                return cpu;
            }
            if (task == nullptr && Reservation::used_by(*victim).state() != State::kReady &&
                placed_.end_ns(cpu) <= now_ns) {
                if (first_in_background(cpu) != nullptr) {
                    return cpu;
                }
                placed_.set_end(cpu, now_ns + slice_us_ * 1000);
            }
        }
        return std::nullopt;
    }

    // A replenishment, the end of a budget or a deadline of what runs, the end of a slice while somebody waits for it.
    std::uint64_t next_tick_ns() const override {
        const Task* const exhausted = exhausted_.front();
        std::uint64_t next = exhausted != nullptr ? ByDeadline::key(*exhausted) : kNever;
        for (const std::uint32_t cpu : placed_.served()) {
            Task* const task = placed_.alone(cpu);
            if (task != nullptr &&
                (Reservation::used_by(*task).state() == State::kReady || !background_.empty())) {
                next = std::min(next, placed_.end_ns(cpu));
            }
        }
        return next;
    }

    void tick(std::uint64_t now_ns) override {
        for (const std::uint32_t cpu : placed_.served()) {
            Task* const task = placed_.alone(cpu);
            if (task != nullptr && placed_.end_ns(cpu) <= now_ns &&
                Reservation::used_by(*task).state() == State::kReady) {  // the ends of slices are preempt()'s
                account(*task, now_ns);
                placed_.set_end(cpu, look_again_ns(*task, now_ns));
            }
        }
        for (Task* task = exhausted_.front(); task != nullptr && ByDeadline::key(*task) <= now_ns;
             task = exhausted_.front()) {
            const bool waits = task->queue == &background_;
            remove_and_replenish(*task, now_ns);
            if (waits) {
                background_.remove(*task);
                ready_[Reservation::used_by(*task).home()].insert(*task);
            }
        }
    }

    void cpu_taken(std::uint32_t cpu, std::uint64_t now_ns) override {
        placed_.cpu_taken(cpu);
        while (Task* const task = ready_[cpu].front()) {
            ready_[cpu].remove(*task);
            enqueue(*task, abi::Cause::kCpuLost, now_ns);
        }
    }
    void cpu_returned(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_returned(cpu); }

    void statistics(Report& report) const override {
        report.number("admitted", admitted_);
        report.number("refused", refused_);
        report.number("deadline_misses", misses_);
        report.number("budgets_used_up", used_up_);
        report.number("helped", helped_);
    }

private:
    // ---- Admission.

    bool suits(const Task& task, std::uint32_t cpu) const {
        return placed_.served().has(cpu) && task.may_run_on(cpu);
    }
    void leave(Task& task) {
        Reservation reservation(task);
        if (reservation.admitted()) {
            utilisation_[reservation.home()] -= static_cast<std::uint32_t>(reservation.utilisation());
        }
        reservation.set(State::kNone);
    }
    void ask_for_admission(Task& task, std::uint64_t now_ns) {
        Reservation reservation(task);
        const bool asked_before = reservation.state() == State::kRefused;
        leave(task);
        const std::uint64_t wanted = reservation.utilisation();
        const std::uint64_t limit = Reservation::kWhole * utilisation_percent_ / 100;
        for (const std::uint32_t cpu : placed_.served()) {
            if (task.may_run_on(cpu) && utilisation_[cpu] + wanted <= limit) {
                utilisation_[cpu] += static_cast<std::uint32_t>(wanted);
                reservation.admit(cpu, now_ns);
                ++admitted_;
                return;
            }
        }
        reservation.set(State::kRefused);
        refused_ += asked_before ? 0 : 1;
    }

    // ---- From runnable to ready, exhausted, or in the background for good.

    void prepare(Task& task, std::uint64_t now_ns) {
        if (Reservation(task).periodic()) {
            release(task, now_ns);
        }
        choose_reservation(task, now_ns);
    }
    void release(Task& task, std::uint64_t now_ns) {
        Reservation reservation(task);
        if (!reservation.released()) {
            reservation.set_released(true);
            if (reservation.admitted()) {
                reservation.wake(now_ns);
            } else {
                ask_for_admission(task, now_ns);
            }
        }
        if (reservation.admitted() && !suits(task, reservation.home())) {
            ask_for_admission(task, now_ns);
        }
        if (reservation.state() == State::kExhausted && now_ns >= reservation.deadline_ns()) {
            reservation.replenish(now_ns);
        }
    }
    // The donor's, where the task may run on its CPU, unless its own is more urgent.
    void choose_reservation(Task& task, std::uint64_t now_ns) {
        Reservation::set_holder(task, nullptr);
        if (inherit_ != 0 && task.donor != nullptr) {
            Reservation lent(*task.donor);
            if (lent.state() == State::kExhausted && now_ns >= lent.deadline_ns()) {
                lent.replenish(now_ns);
            }
            if (lent.admitted() && suits(task, lent.home()) && claims_before(*task.donor, task)) {
                Reservation::set_holder(task, task.donor);
            }
        }
        if (Reservation::used_by(task).state() == State::kExhausted) {
            exhausted_.insert(task);
        }
    }
    void unlink_exhausted(Task& task) {
        if (task.tree_node.linked()) {
            exhausted_.remove(task);
        }
    }
    void dequeue(Task& task) {
        if (task.queue != nullptr) {
            background_.remove(task);
        } else {
            ready_[Reservation::used_by(task).home()].remove(task);
        }
    }

    // ---- Budgets.

    void use(Reservation reservation, std::uint64_t ns) {
        reservation.use(ns);
        if (reservation.budget_ns() == 0) {
            reservation.set(State::kExhausted);
            ++used_up_;
        }
    }
    // One that runs, with budget, is looked at.
    void account(Task& task, std::uint64_t now_ns) {
        Reservation reservation = Reservation::used_by(task);
        use(reservation, now_ns - Reservation(task).since_ns());
        Reservation(task).run(now_ns);
        if (reservation.state() == State::kExhausted) {
            exhausted_.insert(task);
        } else if (now_ns >= reservation.deadline_ns()) {
            ++misses_;
            reservation.replenish(now_ns);
        }
    }
    void remove_and_replenish(Task& task, std::uint64_t now_ns) {
        exhausted_.remove(task);
        Reservation::used_by(task).replenish(now_ns);
        if (task.queue != &background_) {  // it runs
            Reservation(task).run(now_ns);
            for (const std::uint32_t cpu : placed_.served()) {
                if (placed_.front(cpu) == &task) {
                    placed_.set_end(cpu, look_again_ns(task, now_ns));
                }
            }
        }
    }
    std::uint64_t look_again_ns(Task& task, std::uint64_t now_ns) const {
        const Reservation used = Reservation::used_by(task);
        return used.state() == State::kReady
                   ? std::min(Reservation(task).since_ns() + used.budget_ns(), used.deadline_ns())
                   : now_ns + slice_us_ * 1000;
    }

    // ---- Who is next.

    // Runs on its own budget at home, so that only an earlier deadline may take the CPU from it.
    static bool is_at_work(Task& task, std::uint32_t cpu) {
        const Reservation used = Reservation::used_by(task);
        return used.state() == State::kReady && used.home() == cpu;
    }
    // Of the ready ones at home there; those whose deadline has passed get a new one first.
    Task* most_urgent(std::uint32_t cpu, std::uint64_t now_ns) {
        for (;;) {
            Task* const task = ready_[cpu].front();
            if (task == nullptr || ByDeadline::key(*task) > now_ns) {
                return task;
            }
            ++misses_;
            ready_[cpu].remove(*task);
            Reservation::used_by(*task).replenish(now_ns);
            ready_[cpu].insert(*task);
        }
    }
    Task* first_in_background(std::uint32_t cpu) const {
        for (Task& task : background_) {
            if (task.may_run_on(cpu)) {
                return &task;
            }
        }
        return nullptr;
    }
    Task* to_help(std::uint32_t cpu) const {
        Task* best = nullptr;
        for (const std::uint32_t home : placed_.served()) {
            Task* const task = ready_[home].first([cpu](const Task& other) { return other.may_run_on(cpu); });
            if (task != nullptr &&
                (best == nullptr || is_before(ByDeadline::key(*task), ByDeadline::key(*best)))) {
                best = task;
            }
        }
        return best;
    }

    PlacedTasks placed_;
    std::array<DeadlineTree, kPolicyCpus> ready_;           // enqueued, admitted, with budget; by home
    std::array<std::uint32_t, kPolicyCpus> utilisation_{};  // admitted there
    TaskQueue background_;                                  // enqueued, all others
    DeadlineTree exhausted_;                                // runnable, budget used up; by replenishment
    std::uint64_t admitted_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t misses_ = 0;
    std::uint64_t used_up_ = 0;
    std::uint64_t helped_ = 0;
    std::uint64_t utilisation_percent_ = 95;
    std::uint64_t slice_us_ = 5000;
    std::uint64_t inherit_ = 1;
    std::array<Parameter, 3> parameters_{{{"utilisation_percent", &utilisation_percent_, 1, 100},
                                          {"slice_us", &slice_us_, 100, 1'000'000},
                                          {"inherit", &inherit_, 0, 1}}};
};

}  // namespace

Policy& make_edf(PolicyStorage& storage) { return construct_policy<Edf>(storage); }

}  // namespace sched
