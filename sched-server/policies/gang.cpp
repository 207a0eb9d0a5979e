// SPDX-License-Identifier: MIT
//
// gang: coscheduling (Ousterhout, "Scheduling techniques for concurrent systems", 1982). The threads of one group (label,
// abi/sched_label.hpp) run at the same time, each on a CPU of its own, or not at all. Time is cut into slots of slot_us. In
// each, one gang comes first, in turn; then any others that fit wholly into the CPUs that are left; threads of no
// group (loners) fill what remains, and come first in turn themselves, as if they were a gang. Parameter: slot_us. A
// demonstration: what the kernel offers is a commit for each CPU, so a gang starts and ends within the time that these take.
//
// Where the paper keeps a matrix of slots and CPUs, this policy makes a row anew for each slot: nothing needs to be compacted.
// What it calls alternate selection, running fragments of other gangs on CPUs that are left, it does with loners alone.
//
// Invariants, at the end of each slot's changes: a gang is active or has no thread on a CPU; all runnable threads of an active gang are
// on CPUs, if there are as many that they may use (else it runs in parts, others of it in its next turn; and a thread
// that wakes in the midst of its gang's slot gets a CPU that idles or runs a loner, or waits for the next). Each gang comes
// first within as many slots as there are gangs and turns of loners between them, so no CPU idles beside a runnable
// thread for longer than that.
//
// Costs: O(CPUs x threads) at the start of a slot, O(gangs + threads) per decision.
#include "policies/gang_table.hpp"
#include "policies/placed_tasks.hpp"
#include "registry.hpp"

namespace sched {
namespace {

class GangPolicy final : public Policy {
public:
    std::string_view name() const override { return "gang"; }
    std::span<const Parameter> parameters() override { return parameters_; }
    bool feeds_idle() const override { return false; }
    std::uint64_t may_idle_ns() const override {
        const std::uint64_t gangs = runnable_gangs();
        // And the slot that is going on, and one in which a refused commit is made again.
        return (gangs + std::min(gangs, rows_of_loners()) + 2) * slot_us_ * 1000;
    }
    std::string_view start(const Machine& machine) override {
        placed_.start(machine);
        return {};
    }

    void enqueue(Task& task, abi::Cause, std::uint64_t now_ns) override {
        gangs_.join(task, slot_);
        gangs_.of(task).waiting.push_back(task);
        task.scratch[kSeat] = 0;
        begin_if_none(now_ns);
    }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* task = next_for(cpu);
        if (task == nullptr && placed_.idle(cpu) && extend_row()) {
            task = next_for(cpu);
        }
        if (task == nullptr) {
            return std::nullopt;
        }
        Gang& gang = gangs_.of(*task);
        gang.waiting.remove(*task);
        ++gang.placed;
        placed_.picked(*task, cpu, kNever);
        return Pick{task, slot_us_ * 1000};
    }

    void adopt(Task& task, std::uint64_t now_ns) override {
        if (task.queue == nullptr) {
            gangs_.join(task, slot_);
            ++gangs_.of(task).placed;
            task.scratch[kSeat] = 0;
        }
        placed_.adopt(task, kNever);
        begin_if_none(now_ns);
    }

    void stopped(Task& task, abi::Cause, std::uint64_t now_ns) override {
        placed_.stopped(task);
        --gangs_.of(task).placed;
        if (gangs_[first_].runnable() == 0) {
            slot_end_ns_ = std::min(slot_end_ns_, now_ns);  // nothing is left to do in this one
        }
    }

    void gone(Task& task, std::uint64_t) override { gangs_.leave(task); }

    // A CPU that an active gang is to have, or on which a gang runs whose turn is over.
    std::optional<std::uint32_t> preempt(std::uint64_t) override {
        for (const std::uint32_t cpu : placed_.served()) {
            const Task* const victim = placed_.alone(cpu);
            if (victim == nullptr) {
                continue;
            }
            const Task* const next = next_for(cpu);
            if (next != nullptr && (must_leave(*victim) || next->scratch[kSeat] == cpu + 1 ||
                                    (is_filler(*victim) && !is_loner(*next)))) {
                return cpu;
            }
        }
        return std::nullopt;
    }

    // What is left of gangs whose turn is over, once for each slot.
    Task* recall(std::uint64_t) override {
        for (const std::uint32_t cpu : placed_.served()) {
            for (Task& task : placed_.on(cpu)) {
                if (must_leave(task) && task.scratch[kRecalledInSlot] != slot_) {
                    task.scratch[kRecalledInSlot] = slot_;
                    return &task;
                }
            }
        }
        return nullptr;
    }

    std::uint64_t next_tick_ns() const override {
        for (std::uint32_t i = 0; i < gangs_.end(); ++i) {
            if (!gangs_[i].waiting.empty()) {
                return slot_end_ns_;
            }
        }
        return kNever;
    }
    void tick(std::uint64_t now_ns) override { begin_slot(now_ns); }

    void cpu_taken(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_taken(cpu); }
    void cpu_returned(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_returned(cpu); }

    void statistics(Report& report) const override {
        report.number("slots", slot_);
        report.number("gangs_run_beside_another", beside_);
        report.number("gangs_run_in_parts", in_parts_);
    }

private:
    // In Task::scratch, behind GangTable's: the CPU + 1 that this row has for an enqueued thread, 0: none.
    static constexpr std::size_t kSeat = 1, kRecalledInSlot = 2;

    static bool is_loner(const Task& task) { return GangTable::index_of(task) == GangTable::kLoners; }
    bool is_filler(const Task& task) const { return is_loner(task) && first_ != GangTable::kLoners; }
    bool must_leave(const Task& task) { return !is_loner(task) && !gangs_.of(task).active; }

    // ---- The row: who runs in this slot, and where.

    void begin_if_none(std::uint64_t now_ns) {
        if (gangs_[first_].runnable() == 0 || slot_ == 0) {
            begin_slot(now_ns);
        }
    }
    void begin_slot(std::uint64_t now_ns) {
        ++slot_;
        slot_end_ns_ = now_ns + slot_us_ * 1000;
        first_ = next_in_turn();
        for (std::uint32_t i = 0; i < gangs_.end(); ++i) {
            gangs_[i].active = false;
            clear_seats(gangs_[i]);
        }
        Gang& gang = gangs_[first_];
        gang.active = true;
        gang.last_slot = slot_;
        CpuSet free = placed_.served();
        if (!seat(first_, free)) {
            in_parts_ += first_ != GangTable::kLoners ? 1 : 0;
            change_parts(first_);
        }
        seat_others(free);
    }
    std::uint64_t runnable_gangs() const {
        std::uint64_t count = 0;
        for (std::uint32_t i = 1; i < gangs_.end(); ++i) {
            count += gangs_[i].runnable() != 0 ? 1 : 0;
        }
        return count;
    }
    // How many slots it takes to give each loner a CPU.
    std::uint64_t rows_of_loners() const {
        const std::uint64_t cpus = std::max(placed_.served().count(), 1u);
        return (gangs_[GangTable::kLoners].runnable() + cpus - 1) / cpus;
    }
    // Loners come first in as many of the turns as they need beside the gangs, but not in two together; else it is, of the gangs with
    // something to run, the one whose last turn is the longest ago.
    std::uint32_t next_in_turn() const {
        const std::uint64_t rows = rows_of_loners();
        if (rows != 0 && slot_ - gangs_[GangTable::kLoners].last_slot >=
                             std::max((runnable_gangs() + rows) / rows, std::uint64_t{2})) {
            return GangTable::kLoners;
        }
        std::uint32_t best = GangTable::kLoners;
        for (std::uint32_t k = 1; k <= gangs_.end();
             ++k) {  // of several, the next behind the one that has had it
            const std::uint32_t i = (first_ + k) % gangs_.end();
            if (i != GangTable::kLoners && gangs_[i].runnable() != 0 &&
                (gangs_[best].runnable() == 0 || gangs_[i].last_slot < gangs_[best].last_slot)) {
                best = i;
            }
        }
        return best;
    }
    static void clear_seats(Gang& gang) {
        for (Task& task : gang.waiting) {
            task.scratch[kSeat] = 0;
        }
    }

    // Takes CPUs out of `free` for all runnable threads of the gang, for those with an affinity first. False if some got none.
    bool seat(std::uint32_t index, CpuSet& free) {
        Gang& gang = gangs_[index];
        std::size_t missing = gang.runnable();
        for (const std::uint32_t cpu : placed_.served()) {
            const Task* const task = placed_.front(cpu);
            if (task != nullptr && GangTable::index_of(*task) == index && free.has(cpu)) {
                free.remove(cpu);
                --missing;
            }
        }
        for (const bool bound : {true, false}) {
            for (Task& task : gang.waiting) {
                if ((task.affinity != ~std::uint64_t{0}) == bound && take_seat(task, free)) {
                    --missing;
                }
            }
        }
        return missing == 0;
    }
    static bool take_seat(Task& task, CpuSet& free) {
        for (const std::uint32_t cpu : free) {
            if (task.may_run_on(cpu)) {
                task.scratch[kSeat] = cpu + 1;
                free.remove(cpu);
                return true;
            }
        }
        return false;
    }
    // Threads of the gang that got no CPU take those of their siblings that ran in the slot before.
    void change_parts(std::uint32_t index) {
        CpuSet siblings;
        for (const std::uint32_t cpu : placed_.served()) {
            const Task* const task = placed_.alone(cpu);
            if (task != nullptr && GangTable::index_of(*task) == index) {
                siblings.add(cpu);
            }
        }
        for (Task& task : gangs_[index].waiting) {
            if (task.scratch[kSeat] == 0) {
                take_seat(task, siblings);
            }
        }
    }

    // -> whether another gang has become active.
    bool seat_others(CpuSet free) {
        bool any = false;
        for (std::uint32_t i = 1; i < gangs_.end(); ++i) {
            Gang& gang = gangs_[(first_ + i) % gangs_.end()];
            if (&gang == &gangs_[GangTable::kLoners] || gang.active || gang.runnable() == 0) {
                continue;
            }
            CpuSet rest = free;
            if (seat((first_ + i) % gangs_.end(), rest)) {
                gang.active = true;
                free = rest;
                any = true;
                ++beside_;
            } else {
                clear_seats(gang);
            }
        }
        return any;
    }
    // In the midst of a slot: CPUs have become free, or their loners can make room.
    bool extend_row() {
        CpuSet free;
        for (const std::uint32_t cpu : placed_.served()) {
            const Task* const task = placed_.front(cpu);
            if (task == nullptr || is_filler(*task) || must_leave(*task)) {
                free.add(cpu);
            }
        }
        for (std::uint32_t i = 0; i < gangs_.end(); ++i) {
            if (!gangs_[i].active) {
                continue;
            }
            for (const Task& task : gangs_[i].waiting) {
                if (task.scratch[kSeat] != 0) {
                    free.remove(static_cast<std::uint32_t>(task.scratch[kSeat] - 1));
                }
            }
        }
        return seat_others(free);
    }

    // ---- Who is next on a CPU: one with a seat there, one without that may run there; the first gang before others, loners last.

    Task* next_for(std::uint32_t cpu) {
        for (const bool seated : {true, false}) {
            for (std::uint32_t i = 0; i < gangs_.end(); ++i) {
                Gang& gang = gangs_[(first_ + i) % gangs_.end()];
                if (Task* const task = gang.active ? next_of(gang, cpu, seated) : nullptr) {
                    return task;
                }
            }
        }
        return next_of(gangs_[GangTable::kLoners], cpu, false);
    }
    static Task* next_of(const Gang& gang, std::uint32_t cpu, bool seated) {
        for (Task& task : gang.waiting) {
            if (task.may_run_on(cpu) && task.scratch[kSeat] == (seated ? cpu + 1 : 0)) {
                return &task;
            }
        }
        return nullptr;
    }

    GangTable gangs_;
    PlacedTasks placed_;
    std::uint32_t first_ = GangTable::kLoners;
    std::uint64_t slot_ = 0;
    std::uint64_t slot_end_ns_ = kNever;
    std::uint64_t beside_ = 0;
    std::uint64_t in_parts_ = 0;
    std::uint64_t slot_us_ = 10'000;
    std::array<Parameter, 1> parameters_{{{"slot_us", &slot_us_, 1000, 1'000'000}}};
};

}  // namespace

Policy& make_gang(PolicyStorage& storage) { return construct_policy<GangPolicy>(storage); }

}  // namespace sched
