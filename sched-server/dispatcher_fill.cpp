// SPDX-License-Identifier: MIT
//
// Dispatcher: from the policy to commits.
#include "core/assert.hpp"
#include "dispatcher.hpp"

#include <algorithm>
#include <bit>

namespace sched {
namespace {

// Calls visit(cpu) for every CPU of the mask, starting at `first` and going round, until it returns false.
template <class Visit>
bool for_each_cpu(std::uint64_t mask, std::uint32_t first, Visit visit) {
    for (std::uint64_t rest = std::rotr(mask, static_cast<int>(first)); rest != 0; rest &= rest - 1) {
        if (!visit((static_cast<std::uint32_t>(std::countr_zero(rest)) + first) % abi::kMaxCpus)) {
            return false;
        }
    }
    return true;
}
static_assert(abi::kMaxCpus == 64);

}  // namespace

// Before the commit is sent, so the kernel sees it from the first stop on.
void Dispatcher::write_hint(Record& record, const Pick& pick) {
    if (hints_ == nullptr || (pick.hints == 0 && record.hints == 0)) {
        return;
    }
    record.hints = pick.hints;
    abi::HintLine& line = hints_[record.ref.index];
    // Relaxed: the kernel takes either word with either slice; both are allowed.
    line.slice_ns.store(pick.slice_ns, std::memory_order_relaxed);
    line.word.store(pick.hints != 0 ? abi::hint_word(record.ref.generation, record.cpu, pick.hints) : 0,
                    std::memory_order_relaxed);
}

// Asks the policy what the CPU should run, and emits the commit. False when it has nothing for it.
[[gnu::always_inline]] inline bool Dispatcher::pick_for(std::uint32_t cpu, std::uint32_t flags,
                                                        CommitBatch& batch, std::uint64_t now_ns) {
    const std::optional<Pick> pick = policy_->pick_next(cpu, now_ns);
    if (!pick) {
        return false;
    }
    auto& record = static_cast<Record&>(*pick->task);
    COX_ASSERT(record.place == Place::kEnqueued && record.may_run_on(cpu));  // or the policy is wrong
    one_enqueued_less();
    place(record, cpu);
    record.commit_under_way = true;
    record.slice_ns = pick->slice_ns;
    write_hint(record, *pick);
    batch.push({record.ref, record.sequence, cpu, flags, pick->slice_ns});
    return true;
}

bool Dispatcher::fill(CommitBatch& batch, std::uint64_t now_ns) {
    if (asked_.next_tick && policy_->next_tick_ns() <= now_ns) {
        policy_->tick(now_ns);
    }
    if (some_inherited_ && !recall_inherited(batch)) {
        return false;
    }
    if (enqueued_ != 0 && !fill_levels(batch, now_ns)) {
        return false;
    }
    if (load_.at_least(2) != 0 && !feed_idle(batch, now_ns)) {
        return false;
    }
    return (!asked_.preempt || preempt(batch, now_ns)) && (!asked_.recall || recall_wanted(batch, now_ns));
}

[[gnu::always_inline]] inline bool Dispatcher::fill_level(std::uint32_t level, CommitBatch& batch,
                                                          std::uint64_t now_ns) {
    bool room = true;
    const auto fill_cpu = [&](std::uint32_t cpu) __attribute__((always_inline)) {
        if (batch.full()) {
            return room = false;
        }
        if (pick_for(cpu, 0, batch, now_ns)) {
            first_cpu_ = (cpu + 1) % abi::kMaxCpus;
        }
        return enqueued_ != 0;
    };
    (void)for_each_cpu(load_.below(level) & enqueued_affinity_, first_cpu_, fill_cpu);
    return room;
}

[[gnu::always_inline]] inline bool Dispatcher::fill_levels(CommitBatch& batch, std::uint64_t now_ns) {
    if (depth_ == 0) [[unlikely]] {
        depth_ = std::max(policy_->depth(), std::uint32_t{1});
    }
    for (std::uint32_t level = 1; level <= std::min(depth_, CpuLoad::kLevels); ++level) {
        if (!fill_level(level, batch, now_ns)) {
            return false;
        }
        if (enqueued_ == 0) [[likely]] {
            return true;
        }
    }
    return depth_ <= CpuLoad::kLevels || fill_rest(batch, now_ns);
}

// Beyond the levels that CpuLoad has masks for: all that the policy has.
bool Dispatcher::fill_rest(CommitBatch& batch, std::uint64_t now_ns) {
    return for_each_cpu(load_.cpus() & enqueued_affinity_, first_cpu_, [&](std::uint32_t cpu) {
        while (enqueued_ != 0) {
            if (batch.full()) {
                return false;
            }
            if (load_.count(cpu) >= depth_ || !pick_for(cpu, 0, batch, now_ns)) {
                break;
            }
        }
        return true;
    });
}

bool Dispatcher::preempt(CommitBatch& batch, std::uint64_t now_ns) {
    while (enqueued_ != 0) {
        const std::optional<std::uint32_t> cpu = policy_->preempt(now_ns);
        if (!cpu) {
            break;
        }
        if (batch.room() < 2) {
            return false;
        }
        if (!make_room(*cpu, batch, now_ns)) {
            break;
        }
        if (!move_under_way(batch, now_ns)) {
            return false;
        }
    }
    return true;
}

bool Dispatcher::make_room(std::uint32_t cpu, CommitBatch& batch, std::uint64_t now_ns) {
    Record* const queued = queued_alone(cpu);
    if (!pick_for(cpu, queued != nullptr ? 0 : abi::kCommitHead | abi::kCommitPreempt, batch, now_ns)) {
        return false;
    }
    if (queued != nullptr) {
        recall(*queued, batch);
    }
    return true;
}

// Whose commit is still under way makes no room by being preempted: it arrives afterwards, and nobody hears of it.
bool Dispatcher::move_under_way(CommitBatch& batch, std::uint64_t now_ns) {
    return load_.at_least(2) == 0 || feed_idle(batch, now_ns, false);
}

// The thread at the CPU, if it has not come to run: a thread that is not the domain's runs there. To preempt would take nothing away
// from it, and put the new one before all that wait, again and again; so the two change places in the queue.
Record* Dispatcher::queued_alone(std::uint32_t cpu) {
    Record* const record = placed_[cpu].front();
    const bool alone = record != nullptr && placed_[cpu].next(*record) == nullptr;
    return alone && movable(*record) == Movable::kQueued ? record : nullptr;
}

bool Dispatcher::recall_wanted(CommitBatch& batch, std::uint64_t now_ns) {
    for (;;) {
        if (batch.full()) {
            return false;
        }
        Task* const task = policy_->recall(now_ns);
        if (task == nullptr) {
            return true;
        }
        auto& record = static_cast<Record&>(*task);
        COX_ASSERT(record.place == Place::kPlaced);  // or the policy is wrong
        recall(record, batch);
    }
}

[[gnu::always_inline]] inline bool Dispatcher::feed_idle(CommitBatch& batch, std::uint64_t now_ns,
                                                         bool recalls) {
    const std::uint64_t idle = load_.below(1) & ~awaiting_recall_;
    if (!policy_->feeds_idle()) {
        return true;
    }
    return for_each_cpu(idle & spare_threads_affinity(), first_cpu_, [&](std::uint32_t cpu) {
        if (batch.full()) {
            return false;
        }
        const auto [record, how] = movable_to(cpu);
        if (how == Movable::kUnderWay) {
            move_commit(*record, cpu, batch, now_ns);
        } else if (how != Movable::kNo && recalls) {
            record->recalled_for = cpu;
            awaiting_recall_ |= std::uint64_t{1} << cpu;
            recall(*record, batch);
        }
        return true;
    });
}

// How well a thread placed elsewhere suits for moving, by the state that its line shows. (Success of a commit
// posts no event, so the line may be ahead of the record.) Relaxed: a guess, which the kernel checks.
Dispatcher::Movable Dispatcher::movable(const Record& record) const {
    const abi::ThreadWord word{table_[record.ref.index].word.load(std::memory_order_relaxed)};
    switch (word.state()) {
        case abi::ThreadState::kQueued: return Movable::kQueued;
        case abi::ThreadState::kRunning: return Movable::kRunning;
        case abi::ThreadState::kUnplaced:
            return record.commit_under_way && word.sequence() == record.sequence ? Movable::kUnderWay
                                                                                 : Movable::kNo;
        default: return Movable::kNo;
    }
}

// Where at least one of the threads at CPUs that have two or more may run: so that pinned ones cost no look for each idle CPU.
std::uint64_t Dispatcher::spare_threads_affinity() const {
    std::uint64_t mask = 0;
    (void)for_each_cpu(load_.at_least(2), 0, [&](std::uint32_t from) {
        for (const Record& record : placed_[from]) {
            mask |= record.affinity;
        }
        return true;
    });
    return mask;
}

// The best thread to move to an idle CPU from one that has two or more; nothing if none may run on `cpu`.
std::pair<Record*, Dispatcher::Movable> Dispatcher::movable_to(std::uint32_t cpu) {
    std::pair<Record*, Movable> best{nullptr, Movable::kNo};
    for_each_cpu(load_.at_least(2), cpu, [&](std::uint32_t from) {
        for (Record& record : placed_[from]) {
            if (!record.may_run_on(cpu) || record.recalled_for != Record::kNobody) {
                continue;
            }
            if (const Movable how = movable(record); how > best.second) {
                best = {&record, how};
            }
        }
        return best.second != Movable::kQueued;
    });
    return best;
}

void Dispatcher::move_commit(Record& record, std::uint32_t cpu, CommitBatch& batch, std::uint64_t now_ns) {
    leave_cpu(record);
    place(record, cpu);
    policy_->adopt(record, now_ns);
    if (CommitRequest* const earlier = batch.find(record.ref)) {
        earlier->cpu = cpu;
    } else {
        batch.push({record.ref, record.sequence, cpu, 0, record.slice_ns});
    }
    write_hint(record, {&record, record.slice_ns, record.hints});
}

void Dispatcher::recall(Record& record, CommitBatch& batch) {
    const abi::ThreadWord word{table_[record.ref.index].word.load(std::memory_order_relaxed)};
    batch.push({record.ref, word.sequence(), record.cpu, abi::kCommitRecall, abi::kNoSlice});
}

// A recall that overtakes the commit would do nothing, and the commit would be executed after it.
bool Dispatcher::recall_inherited(CommitBatch& batch) {
    bool some_under_way = false;
    for (const PlacedList& list : placed_) {
        for (Record& record : list) {
            if (!record.inherited) {
                continue;
            }
            if (movable(record) == Movable::kUnderWay) {
                some_under_way = true;
                continue;
            }
            if (batch.full()) {
                return false;
            }
            record.inherited = false;
            batch.push({record.ref, record.sequence, record.cpu, abi::kCommitRecall, abi::kNoSlice});
        }
    }
    some_inherited_ = some_under_way;
    return true;
}

}  // namespace sched
