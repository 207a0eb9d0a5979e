// SPDX-License-Identifier: MIT
//
// Dispatcher: calls between threads. Who runs on the time of another, which is as if the other ran; and who works for whom, for policies
// that inherit: the caller's line names the thread that it waits for. A link holds while
// the caller's line shows the same call, so it ends with the reply, the time-out, the death of either side, however that came about.
#include "dispatcher.hpp"

namespace sched {

// A call that went straight to the server, and is not answered: the two are one thread that goes on, the caller, where it was placed. When
// the server stops otherwise than by its reply, both have events, and the caller's line names it.
bool Dispatcher::lends_its_time(std::uint32_t line) const {
    return waits_for_reply(read_line(table_[line]).word) && !CallView::of(table_[line]).named;
}

// The line was seen running. Neither a reply nor the next call posts an event, so it must be the same run before and after.
bool Dispatcher::runs_on_lent_time(std::uint32_t line) const {
    const abi::StatusLine& its = table_[line];
    // Acquire: the caller's line is looked at in between.
    for (std::uint64_t word = its.word.load(std::memory_order_acquire);;) {
        const std::uint32_t serves = CallView::of(its).serves;
        const bool lent = serves != 0 && serves <= abi::kMaxThreads && lends_its_time(serves - 1);
        std::atomic_thread_fence(std::memory_order_acquire);
        const std::uint64_t again = its.word.load(std::memory_order_acquire);
        if (again == word) {
            return lent;
        }
        if (abi::ThreadWord{again}.state() != abi::ThreadState::kRunning) {
            return true;  // if it waits, it may be without an event; of all else there is one
        }
        word = again;
    }
}

// Before the policy is told of anything.
void Dispatcher::note_policy() {
    asked_ = policy_->questions;
    depth_ = 0;
    const bool inherits = policy_->inherits();
    for (Record& record : records_) {
        record.unusual = record.foreign || inherits;
    }
}

void Dispatcher::parameters_changed(std::uint64_t now_ns) {
    note_policy();
    if (policy_->inherits()) {
        look_at_calls(now_ns);
    } else {
        for (Record& record : records_) {
            forget_calls(record, now_ns);
        }
    }
}

// All lines are known, so that the order in which they are looked at does not count.
void Dispatcher::look_at_calls(std::uint64_t now_ns) {
    for (std::uint32_t line = 0; line < abi::kMaxThreads; ++line) {
        observe(line, now_ns);
    }
}

void Dispatcher::end_call(Record& record, const LineView& view, std::uint64_t now_ns) {
    const auto change = [&](CallNode& node, Task* donor) {
        give_donor(static_cast<Record&>(node), donor, now_ns);
    };
    if (view.word.state() == abi::ThreadState::kGone) {
        CallGraph::forget(*policy_, record, change);
    } else if (!waits_for_reply(view.word) || view.word.sequence() != record.call) {
        CallGraph::unlink(*policy_, record, change);
        CallGraph::settle(*policy_, record, change);
    }
}

// What serves is told of its caller before that one's own event has come.
void Dispatcher::find_caller(Record& record, const CallView& calls, std::uint64_t now_ns) {
    if (calls.serves == 0 || calls.serves > abi::kMaxThreads) {
        return;
    }
    Record& caller = records_[calls.serves - 1];
    const LineView view = read_line(table_[calls.serves - 1]);
    const CallView its = CallView::of(table_[calls.serves - 1]);
    if (!waits_for_reply(view.word) || view.ref != caller.ref || view.domain != domain_ || caller.foreign ||
        its.waits_for != record.ref || (caller.waits_for == &record && caller.call == view.word.sequence())) {
        return;
    }
    // A claim is used once: by the caller, or for it. Its own event is due still.
    caller.runtime_ns = view.runtime_ns;
    caller.last_cpu = view.word.cpu();
    observe_not_runnable(caller, view.word.cause(), now_ns);
    const auto change = [&](CallNode& node, Task* donor) {
        give_donor(static_cast<Record&>(node), donor, now_ns);
    };
    CallGraph::unlink(*policy_, caller, change);
    (void)CallGraph::link(*policy_, caller, record, view.word.sequence(), change);
}

void Dispatcher::begin_call(Record& record, const LineView& view, const CallView& calls,
                            std::uint64_t now_ns) {
    if (!waits_for_reply(view.word) || !calls.waits_for || calls.waits_for.index >= abi::kMaxThreads) {
        return;
    }
    Record& server = records_[calls.waits_for.index];
    if (record.waits_for == &server) {
        return;
    }
    const bool of_domain = table_[calls.waits_for.index].domain.load(std::memory_order_relaxed) == domain_;
    if (server.ref == calls.waits_for && of_domain && !server.foreign) {
        const auto change = [&](CallNode& node, Task* donor) {
            give_donor(static_cast<Record&>(node), donor, now_ns);
        };
        CallGraph::unlink(*policy_, record, change);  // another server of the endpoint has taken it
        (void)CallGraph::link(*policy_, record, server, view.word.sequence(), change);
    }
}

void Dispatcher::forget_calls(Record& record, std::uint64_t now_ns) {
    CallGraph::forget(*policy_, record, [&](CallNode& node, Task* donor) {
        give_donor(static_cast<Record&>(node), donor, now_ns);
    });
}

void Dispatcher::give_donor(Record& record, Task* donor, std::uint64_t now_ns) {
    switch (record.place) {
        case Place::kEnqueued:
            policy_->remove(record);
            record.donor = donor;
            policy_->enqueue(record, abi::Cause::kNone, now_ns);
            break;
        case Place::kPlaced:
            record.donor = donor;
            policy_->donor_changed(record, now_ns);
            break;
        case Place::kNone: record.donor = donor; break;
    }
}

}  // namespace sched
