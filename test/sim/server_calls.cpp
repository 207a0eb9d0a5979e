// SPDX-License-Identifier: MIT
//
// ServerModel: who works for whom, for policies that inherit; as sched-server/dispatcher_calls.cpp.
#include "server_model.hpp"

namespace sim {

bool ServerModel::lends_its_time(const SimThread& thread) { return waits_for_reply(thread) && thread.lends; }

// One that runs, on its own time or on somebody else's, is queued, or waits for a reply and lends its time meanwhile.
void ServerModel::observe_on_cpu(SimThread& thread) {
    const bool runs = thread.state == abi::ThreadState::kRunning;
    const bool borrows = runs && thread.serves != nullptr && lends_its_time(*thread.serves);
    if (!borrows && (runs || thread.state == abi::ThreadState::kQueued || lends_its_time(thread))) {
        observe_placed(thread);
    } else if (borrows || thread.state == abi::ThreadState::kWaiting) {
        observe_not_runnable(thread);
    }
}

void ServerModel::end_call(SimThread& thread) {
    const auto change = [&](sched::CallNode& node, sched::Task* donor) { give_donor(node, donor); };
    if (thread.state == abi::ThreadState::kGone) {
        sched::CallGraph::forget(policy_, thread, change);
    } else if (!waits_for_reply(thread) || thread.sequence != thread.call) {
        sched::CallGraph::unlink(policy_, thread, change);
        sched::CallGraph::settle(policy_, thread, change);
    }
}

// What serves is told of its caller before that one's own event has come.
void ServerModel::find_caller(SimThread& thread) {
    SimThread* const caller = thread.serves;
    if (caller == nullptr || !waits_for_reply(*caller) || caller->named != &thread ||
        (caller->waits_for == &thread && caller->call == caller->sequence)) {
        return;
    }
    caller->runtime_ns = caller->stopped_service_ns;
    caller->last_cpu = caller->word_cpu;
    observe_not_runnable(*caller);
    const auto change = [&](sched::CallNode& node, sched::Task* donor) { give_donor(node, donor); };
    sched::CallGraph::unlink(policy_, *caller, change);
    (void)sched::CallGraph::link(policy_, *caller, thread, caller->sequence, change);
}

void ServerModel::begin_call(SimThread& thread) {
    if (!waits_for_reply(thread) || thread.named == nullptr || thread.waits_for == thread.named) {
        return;
    }
    const auto change = [&](sched::CallNode& node, sched::Task* donor) { give_donor(node, donor); };
    sched::CallGraph::unlink(policy_, thread, change);  // another server has taken it
    (void)sched::CallGraph::link(policy_, thread, *thread.named, thread.sequence, change);
}

void ServerModel::give_donor(sched::CallNode& node, sched::Task* donor) {
    SimThread& thread = static_cast<SimThread&>(node);
    switch (thread.place) {
        case sched::Place::kEnqueued:
            policy_.remove(thread);
            thread.donor = donor;
            policy_.enqueue(thread, abi::Cause::kNone, world_.now_ns);
            break;
        case sched::Place::kPlaced:
            thread.donor = donor;
            policy_.donor_changed(thread, world_.now_ns);
            break;
        case sched::Place::kNone: thread.donor = donor; break;
    }
}

}  // namespace sim
