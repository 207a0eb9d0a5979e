// SPDX-License-Identifier: MIT
//
// Dispatcher: from status lines to the policy. dispatcher_fill.cpp goes the other way.
#include "dispatcher.hpp"

namespace sched {

std::uint32_t Dispatcher::adopt(std::uint64_t now_ns) {
    std::uint32_t live = 0;
    for (std::uint32_t line = 0; line < abi::kMaxThreads; ++line) {
        observe(line, now_ns);
        const LineView view = read_line(table_[line]);
        const abi::ThreadState state = view.word.state();
        if (view.domain != 0 && state != abi::ThreadState::kFree && state != abi::ThreadState::kGone) {
            ++live;
        }
    }
    return live;
}

void Dispatcher::observe(std::uint32_t line, std::uint64_t now_ns) {
    if (line >= abi::kMaxThreads) {
        return;
    }
    const LineView view = read_line(table_[line]);
    Record& record = records_[line];
    if (view.ref != record.ref) {
        observe_not_runnable(record, abi::Cause::kExited, now_ns);
        record.begin(view.ref);
    }
    if (view.domain == 0 || record.foreign) {
        return;
    }
    record.label = view.label;
    record.runtime_ns = view.runtime_ns;
    record.last_cpu = view.word.cpu();
    switch (view.word.state()) {
        case abi::ThreadState::kUnplaced: observe_unplaced(record, view, now_ns); break;
        case abi::ThreadState::kQueued:
        case abi::ThreadState::kRunning: observe_placed(record, view); break;
        default: observe_not_runnable(record, view.word.cause(), now_ns); break;
    }
    record.affinity = view.affinity;
}

void Dispatcher::observe_unplaced(Record& record, const LineView& view, std::uint64_t now_ns) {
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

void Dispatcher::observe_placed(Record& record, const LineView& view) {
    switch (record.place) {
        case Place::kEnqueued: dequeue(record); break;  // the kernel placed it
        case Place::kPlaced: leave_cpu(record); break;
        case Place::kNone: break;
    }
    place(record, view.word.cpu());
    record.commit_under_way = false;
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
        load_.give_up(tag.cpu);
    }
    const abi::ThreadWord word = read_line(table_[tag.line]).word;
    const bool still_unplaced =
        word.state() == abi::ThreadState::kUnplaced && word.sequence() == tag.sequence;
    if (tag.recall) {
        end_recall(record);
    } else if (record.commit_under_way && record.sequence == tag.sequence &&
               (still_unplaced || error == abi::Error::kNotInDomain)) {
        record.foreign = error == abi::Error::kNotInDomain;
        unplace(record, abi::Cause::kNone, now_ns);
    }
    observe(tag.line, now_ns);
}

void Dispatcher::enqueue(Record& record, const LineView& view, std::uint64_t now_ns) {
    record.place = Place::kEnqueued;
    record.sequence = view.word.sequence();
    record.affinity = view.affinity;
    record.runnable_since_ns = clock_.ns(view.runnable_since);
    ++enqueued_;
    policy_.enqueue(record, view.word.cause(), now_ns);
}

void Dispatcher::dequeue(Record& record) {
    record.place = Place::kNone;
    --enqueued_;
    policy_.remove(record);
}

void Dispatcher::place(Record& record, std::uint32_t cpu) {
    record.place = Place::kPlaced;
    record.cpu = cpu;
    placed_[cpu].push_back(record);
    load_.add(cpu);
}

void Dispatcher::leave_cpu(Record& record) {
    record.place = Place::kNone;
    placed_[record.cpu].remove(record);
    load_.subtract(record.cpu);
}

void Dispatcher::unplace(Record& record, abi::Cause cause, std::uint64_t now_ns) {
    leave_cpu(record);
    record.commit_under_way = false;
    end_recall(record);
    policy_.stopped(record, cause, now_ns);
}

void Dispatcher::end_recall(Record& record) {
    if (record.recalled_for != Record::kNobody) {
        awaiting_recall_ &= ~(std::uint64_t{1} << record.recalled_for);
        record.recalled_for = Record::kNobody;
    }
}

}  // namespace sched
