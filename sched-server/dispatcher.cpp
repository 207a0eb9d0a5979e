// SPDX-License-Identifier: MIT
//
// Dispatcher: from status lines to the policy. dispatcher_fill.cpp goes the other way.
#include "dispatcher.hpp"

#include "core/assert.hpp"

#include <algorithm>

namespace sched {

std::uint32_t Dispatcher::adopt(std::uint64_t now_ns) {
    std::uint32_t live = 0;
    for (std::uint32_t cpu = 0; cpu < abi::kMaxCpus; ++cpu) {
        follow_membership(cpu, now_ns);
    }
    for (std::uint32_t line = 0; line < abi::kMaxThreads; ++line) {
        observe(line, now_ns);
        const LineView view = read_line(table_[line]);
        const abi::ThreadState state = view.word.state();
        if (view.domain == domain_ && state != abi::ThreadState::kFree && state != abi::ThreadState::kGone) {
            ++live;
        }
        if (records_[line].place == Place::kPlaced) {
            inherit(records_[line]);
        }
    }
    if (policy_->inherits()) {
        look_at_calls(now_ns);
    }
    return live;
}

void Dispatcher::set_policy(Policy& next, std::uint64_t now_ns) {
    if (policy_->inherits()) {
        for (Record& record : records_) {
            forget_calls(record, now_ns);
        }
    }
    std::array<std::uint16_t, abi::kMaxThreads> lines;
    std::size_t enqueued = 0;
    for (std::uint32_t line = 0; line < abi::kMaxThreads; ++line) {
        Record& record = records_[line];
        switch (record.place) {
            case Place::kEnqueued:
                policy_->remove(record);
                lines[enqueued++] = static_cast<std::uint16_t>(line);
                break;
            case Place::kPlaced: policy_->stopped(record, abi::Cause::kNone, now_ns); break;
            case Place::kNone: break;
        }
        COX_ASSERT(record.queue == nullptr);  // or the old policy has kept it
        record.scratch = {};
        record.known = false;
        write_hint(record, {});
    }
    policy_ = &next;
    note_policy();
    for (Record& record : records_) {
        if (record.place == Place::kPlaced) {
            inherit(record);
            record.known = true;
            policy_->adopt(record, now_ns);
        }
    }
    const std::span waiting = std::span(lines).first(enqueued);
    std::ranges::sort(waiting, {}, [&](std::uint16_t line) { return records_[line].runnable_since_ns; });
    for (const std::uint16_t line : waiting) {
        records_[line].known = true;
        policy_->enqueue(records_[line], read_line(table_[line]).word.cause(), now_ns);
    }
    if (policy_->inherits()) {
        look_at_calls(now_ns);
    }
}

void Dispatcher::enqueue(Record& record, const LineView& view, std::uint64_t now_ns) {
    record.place = Place::kEnqueued;
    record.sequence = view.word.sequence();
    record.affinity = view.affinity;
    record.runnable_since_ns = clock_.ns(view.runnable_since);
    record.known = true;
    ++enqueued_;
    enqueued_affinity_ |= record.affinity;
    policy_->enqueue(record, view.word.cause(), now_ns);
}

[[gnu::always_inline]] inline void Dispatcher::observe_unplaced(Record& record, const LineView& view,
                                                                std::uint64_t now_ns) {
    const bool as_known = record.sequence == view.word.sequence();
    switch (record.place) {
        case Place::kEnqueued:
            if (as_known && record.affinity == view.affinity) {
                return;
            }
            dequeue(record);
            break;
        case Place::kPlaced:
            if (as_known && record.commit_under_way) {
                return;  // the commit has not reached the kernel yet
            }
            unplace(record, view.word.cause(), now_ns);
            break;
        case Place::kNone: break;
    }
    enqueue(record, view, now_ns);
}

void Dispatcher::observe(std::uint32_t line, std::uint64_t now_ns) {
    if (line >= abi::kMaxThreads) {
        if (line < abi::kStatusLines) {
            observe_cpu(line - abi::kMaxThreads, now_ns);
        }
        return;
    }
    const LineView view = read_line(table_[line]);
    Record& record = records_[line];
    if (view.ref != record.ref) {
        observe_not_runnable(record, abi::Cause::kExited, now_ns);
        forget_calls(record, now_ns);
        forget(record, now_ns);
        record.begin(view.ref, policy_->inherits());
    }
    if (view.domain != domain_ || record.unusual) [[unlikely]] {
        return observe_unusual(record, now_ns);
    }
    follow_state(record, view, now_ns);
}

// Whom it works for is known before the policy hears of it; that it waits for somebody, afterwards. This and observe_on_cpu() read the line
// again, so that in observe() it stays in registers.
void Dispatcher::observe_unusual(Record& record, std::uint64_t now_ns) {
    const LineView view = read_line(table_[record.ref.index]);
    if (view.domain != domain_ || record.foreign || view.ref != record.ref) {
        return;  // an event is due
    }
    const CallView calls = CallView::of(table_[record.ref.index]);
    end_call(record, view, now_ns);
    find_caller(record, calls, now_ns);
    follow_state(record, view, now_ns);
    begin_call(record, view, calls, now_ns);
}

// One that runs, on its own time or on somebody else's, is queued, or waits for a reply and lends its time meanwhile.
void Dispatcher::observe_on_cpu(Record& record, std::uint64_t now_ns) {
    const std::uint32_t line = record.ref.index;
    const LineView view = read_line(table_[line]);
    const abi::ThreadState state = view.word.state();
    if (view.ref != record.ref) {
        return;  // an event is due, as in any other state
    }
    const bool runs = state == abi::ThreadState::kRunning;
    const bool borrows = runs && CallView::of(table_[line]).serves != 0 && runs_on_lent_time(line);
    if (!borrows && (runs || state == abi::ThreadState::kQueued || lends_its_time(line))) {
        observe_placed(record, view, now_ns);
    } else if (borrows || state == abi::ThreadState::kWaiting) {
        observe_not_runnable(record, view.word.cause(), now_ns);
    }
}

[[gnu::always_inline]] inline void Dispatcher::follow_state(Record& record, const LineView& view,
                                                            std::uint64_t now_ns) {
    record.label = view.label;
    record.runtime_ns = view.runtime_ns;
    record.last_cpu = view.word.cpu();
    switch (view.word.state()) {
        case abi::ThreadState::kUnplaced: observe_unplaced(record, view, now_ns); break;
        case abi::ThreadState::kQueued:
        case abi::ThreadState::kRunning: observe_on_cpu(record, now_ns); break;
        case abi::ThreadState::kWaiting:
            if (view.word.cause() == abi::Cause::kCalls) [[unlikely]] {
                observe_on_cpu(record, now_ns);
                break;
            }
            observe_not_runnable(record, view.word.cause(), now_ns);
            break;
        case abi::ThreadState::kGone:
            observe_not_runnable(record, view.word.cause(), now_ns);
            forget(record, now_ns);
            break;
        default: observe_not_runnable(record, view.word.cause(), now_ns); break;
    }
    const bool moved_fences = record.affinity != view.affinity;
    record.affinity = view.affinity;
    if (moved_fences && record.place == Place::kPlaced) {
        policy_->affinity_changed(record, now_ns);
    }
}

void Dispatcher::observe_placed(Record& record, const LineView& view, std::uint64_t now_ns) {
    record.commit_under_way = false;
    const std::uint32_t cpu = view.word.cpu();
    switch (record.place) {
        case Place::kEnqueued: dequeue(record); break;  // the kernel placed it
        case Place::kPlaced:
            if (record.cpu == cpu) {
                return;
            }
            leave_cpu(record);
            break;
        case Place::kNone: break;
    }
    place(record, cpu);
    record.affinity = view.affinity;
    record.known = true;
    policy_->adopt(record, now_ns);
}

// Taken from the domain, or returned to it, as its line says now.
void Dispatcher::follow_membership(std::uint32_t cpu, std::uint64_t now_ns) {
    // Acquire: pairs with the kernel's store; a commit for a CPU that was returned is not refused any more.
    const bool ours = (may_serve_ >> cpu & 1) != 0 &&
                      table_[abi::kMaxThreads + cpu].domain.load(std::memory_order_acquire) == domain_;
    if (ours == load_.has(cpu)) {
        return;
    }
    if (cpu < places_.size()) {
        places_[cpu].served = ours;
    }
    if (ours) {
        load_.take_back(cpu);
        policy_->cpu_returned(cpu, now_ns);
    } else {
        load_.give_up(cpu);
        policy_->cpu_taken(cpu, now_ns);
    }
}

// Taken, returned, or idle. A thread with a wake hint blocks without an event of its own, so this is when it is seen.
void Dispatcher::observe_cpu(std::uint32_t cpu, std::uint64_t now_ns) {
    follow_membership(cpu, now_ns);
    for (Record* record = placed_[cpu].front(); record != nullptr;) {
        Record* const next = placed_[cpu].next(*record);
        if ((record->hints & abi::kHintWake) != 0) {
            observe(record->ref.index, now_ns);
        }
        record = next;
    }
}

void Dispatcher::observe_not_runnable(Record& record, abi::Cause cause, std::uint64_t now_ns) {
    switch (record.place) {
        case Place::kEnqueued: dequeue(record); break;
        case Place::kPlaced: unplace(record, cause, now_ns); break;
        case Place::kNone: break;
    }
}

// A thread may have been committed twice with the same sequence number (move_commit()): the refusal of the
// one that lost says nothing about the other, so whatever the line shows comes first.
void Dispatcher::refused(CommitTag tag, abi::Error error, std::uint64_t now_ns) {
    if (tag.line >= abi::kMaxThreads) {
        return;
    }
    Record& record = records_[tag.line];
    if (error == abi::Error::kCpuNotYours) {
        // If the line does not say so yet, or not any more, the thread is committed again, there or elsewhere.
        follow_membership(tag.cpu, now_ns);
    }
    const abi::ThreadWord word = read_line(table_[tag.line]).word;
    const bool still_unplaced =
        word.state() == abi::ThreadState::kUnplaced && word.sequence() == tag.sequence;
    if (tag.recall) {
        end_recall(record);
    } else if (record.commit_under_way && record.sequence == tag.sequence &&
               (still_unplaced || error == abi::Error::kNotInDomain)) {
        record.foreign = error == abi::Error::kNotInDomain;
        record.unusual |= record.foreign;
        unplace(record, abi::Cause::kNone, now_ns);
    }
    observe(tag.line, now_ns);
}

void Dispatcher::dequeue(Record& record) {
    record.place = Place::kNone;
    one_enqueued_less();
    policy_->remove(record);
}

void Dispatcher::leave_cpu(Record& record) {
    record.place = Place::kNone;
    placed_[record.cpu].remove(record);
    load_.subtract(record.cpu);
}

void Dispatcher::unplace(Record& record, abi::Cause cause, std::uint64_t now_ns) {
    leave_cpu(record);
    record.commit_under_way = record.inherited = false;
    end_recall(record);
    policy_->stopped(record, cause, now_ns);
}

void Dispatcher::inherit(Record& record) { record.inherited = some_inherited_ = true; }

void Dispatcher::forget(Record& record, std::uint64_t now_ns) {
    if (std::exchange(record.known, false)) {
        policy_->gone(record, now_ns);
    }
}

void Dispatcher::end_recall(Record& record) {
    if (record.recalled_for != Record::kNobody) {
        awaiting_recall_ &= ~(std::uint64_t{1} << record.recalled_for);
        record.recalled_for = Record::kNobody;
    }
}

}  // namespace sched
