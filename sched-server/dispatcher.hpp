// SPDX-License-Identifier: MIT
//
// Dispatcher: the server between the kernel's events and the policy, as pure logic. It holds a Record per
// line of the status table, compares each line that it is told to look at with what it knew, tells the policy
// what changed, and emits the commits that fill the CPUs. No call, no clock. Not thread-safe: agents share
// one under one lock.
//
// Facts come from the status line alone, so observing a line twice, or out of turn, changes nothing. A
// commit counts as done when it is emitted, until the line shows otherwise or the kernel refuses it
// (refused()); its expected sequence number tells "not executed yet" from "ran and came back".
//
// Bounds: observe() is O(1) plus the policy; fill() is O(commits emitted + CPUs that lack threads).
#pragma once

#include "abi/error.hpp"
#include "cap/clock.hpp"
#include "commit.hpp"
#include "cpu_load.hpp"
#include "line_view.hpp"
#include "record.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace sched {

class Dispatcher {
public:
    using Table = std::span<const abi::StatusLine, abi::kStatusLines>;

    // Places threads on `cpus` alone. With `hints` nullptr the hints of a Pick are ignored.
    Dispatcher(Policy& policy, Table table, std::uint64_t cpus, cap::Clock clock,
               abi::HintLine* hints = nullptr)
        : policy_(&policy), table_(table), clock_(clock), load_(cpus), hints_(hints), may_serve_(cpus) {
        note_policy();
    }
    // Before adopt(). The CPUs' places, whose `served` it keeps true, and those that it may serve when the domain gets them.
    void set_places(std::span<CpuPlace> places, std::uint64_t may_serve) {
        places_ = places;
        may_serve_ = may_serve;
    }
    // Before adopt(), if it is another one than the root's: the number in the lines of its threads and CPUs.
    void set_domain(std::uint32_t number) { domain_ = number; }
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

    // Observes every line -> how many live threads the domain has. After the attach, never before. What is at a CPU then is recalled,
    // since nobody knows with which slice and hints.
    std::uint32_t adopt(std::uint64_t now_ns);

    // Another policy takes over: the old one loses every task, the new one, which must be ready, is given all of them, the
    // enqueued ones in the order in which they became runnable. What is at a CPU is recalled by the next fill(), so that it is placed
    // again as the new policy wants it; where a commit is still on its way, by one that comes after that. So all agents make a round
    // after this.
    void set_policy(Policy& next, std::uint64_t now_ns);
    [[nodiscard]] Policy& policy() const { return *policy_; }
    // A parameter of the policy was set: it may inherit now, or not any more.
    void parameters_changed(std::uint64_t now_ns);

    // There was an event for this line.
    void observe(std::uint32_t line, std::uint64_t now_ns);

    // The kernel refused the commit of that tag, and looks at its line again.
    void refused(CommitTag tag, abi::Error error, std::uint64_t now_ns);

    // Emits commits until every CPU has what the policy's depth() allows or the policy has nothing for it:
    // first one thread for each, then a second, and so on. For a CPU left with none while another has two,
    // one of those is recalled, or its commit, if that is still under way, repeated for the idle CPU: of two
    // commits with one sequence number only one succeeds. Then the policy may preempt and recall. A tick that is due comes
    // first. False when the batch was too small: send it and call again.
    [[nodiscard]] bool fill(CommitBatch& batch, std::uint64_t now_ns);

    // When fill() should be called even if nothing has happened.
    [[nodiscard]] std::uint64_t next_tick_ns() const {
        return asked_.next_tick ? policy_->next_tick_ns() : kNever;
    }

    [[nodiscard]] const CpuLoad& load() const { return load_; }
    [[nodiscard]] std::uint32_t enqueued() const { return enqueued_; }
    [[nodiscard]] Task& task(std::uint32_t line) { return records_[line]; }

private:
    // In rising order: the running one last, since another waits behind it.
    enum class Movable : std::uint8_t { kNo, kRunning, kUnderWay, kQueued };

    void observe_unplaced(Record& record, const LineView& view, std::uint64_t now_ns);
    void observe_placed(Record& record, const LineView& view, std::uint64_t now_ns);
    void observe_not_runnable(Record& record, abi::Cause cause, std::uint64_t now_ns);
    void observe_cpu(std::uint32_t cpu, std::uint64_t now_ns);
    [[gnu::noinline]] void observe_unusual(Record& record, std::uint64_t now_ns);
    [[gnu::noinline]] void observe_on_cpu(Record& record, std::uint64_t now_ns);
    void follow_state(Record& record, const LineView& view, std::uint64_t now_ns);

    // Calls: dispatcher_calls.cpp.
    bool lends_its_time(std::uint32_t line) const;
    bool runs_on_lent_time(std::uint32_t line) const;
    void note_policy();
    void look_at_calls(std::uint64_t now_ns);
    void end_call(Record& record, const LineView& view, std::uint64_t now_ns);
    void begin_call(Record& record, const LineView& view, const CallView& calls, std::uint64_t now_ns);
    void find_caller(Record& record, const CallView& calls, std::uint64_t now_ns);
    void forget_calls(Record& record, std::uint64_t now_ns);
    void give_donor(Record& record, Task* donor, std::uint64_t now_ns);
    void follow_membership(std::uint32_t cpu, std::uint64_t now_ns);

    void enqueue(Record& record, const LineView& view, std::uint64_t now_ns);
    void dequeue(Record& record);
    void one_enqueued_less() {
        if (--enqueued_ == 0) {
            enqueued_affinity_ = 0;
        }
    }
    void place(Record& record, std::uint32_t cpu) {
        record.place = Place::kPlaced;
        record.cpu = cpu;
        placed_[cpu].push_back(record);
        load_.add(cpu);
    }
    void leave_cpu(Record& record);
    void unplace(Record& record, abi::Cause cause, std::uint64_t now_ns);
    void end_recall(Record& record);
    void forget(Record& record, std::uint64_t now_ns);

    bool fill_levels(CommitBatch& batch, std::uint64_t now_ns);
    bool fill_level(std::uint32_t level, CommitBatch& batch, std::uint64_t now_ns);
    bool feed_idle(CommitBatch& batch, std::uint64_t now_ns, bool recalls = true);
    bool fill_rest(CommitBatch& batch, std::uint64_t now_ns);
    bool preempt(CommitBatch& batch, std::uint64_t now_ns);
    [[gnu::noinline]] Record* queued_alone(std::uint32_t cpu);
    [[gnu::noinline]] bool make_room(std::uint32_t cpu, CommitBatch& batch, std::uint64_t now_ns);
    [[gnu::noinline]] bool move_under_way(CommitBatch& batch, std::uint64_t now_ns);
    bool recall_wanted(CommitBatch& batch, std::uint64_t now_ns);
    bool pick_for(std::uint32_t cpu, std::uint32_t flags, CommitBatch& batch, std::uint64_t now_ns);
    void write_hint(Record& record, const Pick& pick);
    Movable movable(const Record& record) const;
    std::uint64_t spare_threads_affinity() const;
    std::pair<Record*, Movable> movable_to(std::uint32_t cpu);
    void move_commit(Record& record, std::uint32_t cpu, CommitBatch& batch, std::uint64_t now_ns);
    void recall(Record& record, CommitBatch& batch);
    void inherit(Record& record);
    bool recall_inherited(CommitBatch& batch);

    Policy* policy_;
    Questions asked_;          // the policy's
    std::uint32_t depth_ = 0;  // its depth(), at least 1; 0: not asked yet
    Table table_;
    cap::Clock clock_;
    CpuLoad load_;
    abi::HintLine* hints_;  // written here alone; by line
    std::span<CpuPlace> places_;
    std::uint64_t may_serve_;
    std::uint32_t domain_ = 1;
    std::uint32_t enqueued_ = 0;
    std::uint64_t enqueued_affinity_ = 0;  // where one of them may run; perhaps more, until there is none
    bool some_inherited_ = false;
    std::uint32_t first_cpu_ = 0;        // where fill() starts, so that no CPU is preferred
    std::uint64_t awaiting_recall_ = 0;  // CPUs for which a recall is under way
    std::array<Record, abi::kMaxThreads> records_;
    std::array<PlacedList, abi::kMaxCpus> placed_;
};

}  // namespace sched
