// SPDX-License-Identifier: MIT
#include "inversion_watch.hpp"

#include <algorithm>
#include <utility>

namespace sim {

void InversionWatch::look() {
    for (SimThread* worker : inverted_) {
        worker->inverted_ns += world_.now_ns - looked_ns_;
        check(*worker);
    }
    looked_ns_ = world_.now_ns;
    find_claims();
    inverted_.clear();
    for (SimThread* worker : workers_) {
        if (worker->state != abi::ThreadState::kUnplaced && worker->state != abi::ThreadState::kQueued) {
            continue;
        }
        if (std::exchange(worker->waiting_epoch, epoch_) + 1 != epoch_) {
            worker->inverted_ns = 0;
        }
        if (is_deprived(*worker)) {
            inverted_.push_back(worker);
        }
    }
}

// At the end of the chain; nullptr: no server has been there yet.
SimThread* InversionWatch::worker_for(SimThread& caller) {
    SimThread* thread = &caller;
    while (thread != nullptr && waits_for_reply(*thread)) {
        thread = thread->server != nullptr ? thread->server : thread->named;
    }
    return thread;
}

// Into `workers_` all that work for somebody, each with the most urgent of these.
void InversionWatch::find_claims() {
    ++epoch_;
    workers_.clear();
    for (SimThread* caller : world_.calling) {
        SimThread* const worker = worker_for(*caller);
        if (worker == nullptr) {
            continue;
        }
        if (worker->claim_epoch != epoch_) {
            worker->claim_epoch = epoch_;
            worker->claim = caller;
            workers_.push_back(worker);
        } else if (policy_.claims_before(*caller, *worker->claim)) {
            worker->claim = caller;
        }
    }
}

const SimThread& InversionWatch::claim_of(const SimThread& thread) const {
    const bool works = thread.claim_epoch == epoch_ && policy_.claims_before(*thread.claim, thread);
    return works ? *thread.claim : thread;
}

// Whether one runs where the worker might, with less claim than the one for whom that works.
bool InversionWatch::is_deprived(const SimThread& worker) const {
    for (std::uint32_t cpu = 0; cpu < world_.cpus.size(); ++cpu) {
        const SimThread* const other = world_.cpus[cpu].current;
        if (other != nullptr && worker.may_run_on(cpu) &&
            policy_.claims_before(*worker.claim, claim_of(*other))) {
            return true;
        }
    }
    return false;
}

void InversionWatch::check(const SimThread& worker) const {
    const std::uint64_t ns = worker.inverted_ns;
    world_.result.longest_inversion_ns = std::max(world_.result.longest_inversion_ns, ns);
    world_.expect(ns <= world_.scenario.inversion_ns || !policy_.inherits(), [&] {
        return say(worker) + ", which works for " + say(*worker.claim) + ", has waited for " +
               std::to_string(ns) + " ns beside a thread with less claim; the scenario allows " +
               std::to_string(world_.scenario.inversion_ns) + " ns";
    });
}

}  // namespace sim
