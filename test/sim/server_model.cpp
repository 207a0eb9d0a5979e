// SPDX-License-Identifier: MIT
//
// ServerModel: from the kernel to the policy. server_fill.cpp goes the other way.
#include "server_model.hpp"

namespace sim {

using sched::Place;

ServerModel::ServerModel(World& world, sched::Policy& policy)
    : world_(world),
      policy_(policy),
      inherits_(world.scenario.has_calls && policy.inherits()),
      load_(static_cast<std::uint32_t>(world.cpus.size())),
      placed_(world.cpus.size()) {}

// Whom it works for is known before the policy hears of it; that it waits for somebody, afterwards.
void ServerModel::observe(SimThread& thread) {
    if (inherits_) {
        end_call(thread);
        find_caller(thread);
    }
    follow_state(thread);
    if (inherits_) {
        begin_call(thread);
    }
}

void ServerModel::follow_state(SimThread& thread) {
    thread.runtime_ns = thread.stopped_service_ns;
    thread.last_cpu = thread.word_cpu;
    switch (thread.state) {
        case abi::ThreadState::kUnplaced: observe_unplaced(thread); break;
        case abi::ThreadState::kQueued:
        case abi::ThreadState::kRunning: observe_on_cpu(thread); break;
        case abi::ThreadState::kWaiting:
            if (thread.cause == abi::Cause::kCalls) {
                observe_on_cpu(thread);
                break;
            }
            observe_not_runnable(thread);
            break;
        case abi::ThreadState::kGone:
            observe_not_runnable(thread);
            forget(thread);
            break;
        default: observe_not_runnable(thread); break;
    }
}

void ServerModel::observe_unplaced(SimThread& thread) {
    const bool as_known = thread.known_sequence == thread.sequence;
    switch (thread.place) {
        case Place::kEnqueued:
            if (as_known) {
                return;
            }
            idle_watch_.dequeued(thread.mask);
            thread.place = Place::kNone;
            policy_.remove(thread);
            break;
        case Place::kPlaced:
            if (as_known && thread.commit_under_way) {
                return;
            }
            unplace(thread, thread.cause);
            break;
        case Place::kNone: break;
    }
    enqueue(thread);
}

void ServerModel::observe_placed(SimThread& thread) {
    thread.commit_under_way = false;
    switch (thread.place) {
        case Place::kEnqueued:
            idle_watch_.dequeued(thread.mask);
            thread.place = Place::kNone;
            policy_.remove(thread);
            break;
        case Place::kPlaced:
            if (thread.cpu == thread.word_cpu) {
                return;
            }
            leave_cpu(thread);
            break;
        case Place::kNone: break;
    }
    place(thread, thread.word_cpu);
    thread.known = true;
    policy_.adopt(thread, world_.now_ns);
}

void ServerModel::observe_not_runnable(SimThread& thread) {
    switch (thread.place) {
        case Place::kEnqueued:
            idle_watch_.dequeued(thread.mask);
            thread.place = Place::kNone;
            policy_.remove(thread);
            break;
        case Place::kPlaced: unplace(thread, thread.cause); break;
        case Place::kNone: break;
    }
}

void ServerModel::observe_cpu(std::uint32_t cpu) {
    for (SimThread* thread = placed_[cpu].front(); thread != nullptr;) {
        SimThread* const next = placed_[cpu].next(*thread);
        if ((thread->known_hints & abi::kHintWake) != 0) {
            observe(*thread);
        }
        thread = next;
    }
}

void ServerModel::refused(const Commit& commit, abi::Error /*error*/) {
    ++world_.result.refusals;
    SimThread& thread = *commit.thread;
    const bool still_unplaced =
        thread.state == abi::ThreadState::kUnplaced && thread.sequence == commit.sequence;
    if ((commit.flags & abi::kCommitRecall) != 0) {
        end_recall(thread);
    } else if (thread.commit_under_way && thread.known_sequence == commit.sequence && still_unplaced) {
        unplace(thread, abi::Cause::kNone);
    }
    observe(thread);
}

void ServerModel::enqueue(SimThread& thread) {
    thread.place = Place::kEnqueued;
    thread.known_sequence = thread.sequence;
    thread.runnable_since_ns = thread.since_ns;
    thread.mask = idle_watch_.number_of(thread.affinity);
    idle_watch_.enqueued(thread.mask);
    thread.enqueued_ns = world_.now_ns;
    thread.known = true;
    policy_.enqueue(thread, thread.cause, world_.now_ns);
}

void ServerModel::place(SimThread& thread, std::uint32_t cpu) {
    thread.place = Place::kPlaced;
    thread.cpu = cpu;
    placed_[cpu].push_back(thread);
    load_.add(cpu);
}

void ServerModel::leave_cpu(SimThread& thread) {
    thread.place = Place::kNone;
    placed_[thread.cpu].remove(thread);
    load_.subtract(thread.cpu);
}

void ServerModel::unplace(SimThread& thread, abi::Cause cause) {
    leave_cpu(thread);
    thread.commit_under_way = false;
    end_recall(thread);
    policy_.stopped(thread, cause, world_.now_ns);
}

void ServerModel::forget(SimThread& thread) {
    if (std::exchange(thread.known, false)) {
        policy_.gone(thread, world_.now_ns);
    }
}

void ServerModel::end_recall(SimThread& thread) {
    if (thread.recalled_for != sched::Record::kNobody) {
        awaiting_recall_.remove(thread.recalled_for);
        thread.recalled_for = sched::Record::kNobody;
    }
}

}  // namespace sim
