// SPDX-License-Identifier: MIT
#include "support/sched_crew.hpp"

#include <algorithm>

namespace test {
namespace {

template <class Visit>
void for_each_cpu(std::uint64_t mask, Visit visit) {
    for (; mask != 0; mask &= mask - 1) {
        visit(static_cast<std::uint32_t>(std::countr_zero(mask)));
    }
}

}  // namespace

void Crew::decide(std::uint32_t cpu) {
    Agent& agent = agents_[cpu];
    if (!agent.batch.requests().empty()) {
        return;  // it has not sent the last one yet
    }
    ++now_ns_;
    for (const auto& [tag, error] : std::exchange(agent.refusals, {})) {
        dispatcher_->refused(sched::CommitTag::from_raw(tag.raw()), error, now_ns_);
    }
    while (const auto line = kernel_.take_event(cpu)) {
        dispatcher_->observe(*line, now_ns_);
    }
    agent.full_stop = dispatcher_->fill(agent.batch, now_ns_);
}

void Crew::send(std::uint32_t cpu) {
    Agent& agent = agents_[cpu];
    for (const sched::CommitRequest& request : agent.batch.requests()) {
        ++commits_;
        if (const abi::Error error = kernel_.commit(request); error != abi::Error::kOk) {
            ++refusals_;
            agent.refusals.emplace_back(request.tag(), error);
        }
    }
    agent.batch.clear();
}

// An agent that has no event and no refusal does not run, as in the kernel. -> whether something happened.
bool Crew::settle_once() {
    bool happened = false;
    for_each_cpu(kernel_.cpus(), [&](std::uint32_t cpu) {
        Agent& agent = agents_[cpu];
        if (kernel_.has_requests(cpu)) {
            kernel_.serve(cpu);
            happened = true;
        }
        happened |= !agent.batch.requests().empty();
        send(cpu);
        const auto event = kernel_.take_event(cpu);
        if (event) {
            dispatcher_->observe(*event, now_ns_);
        }
        if (event || !agent.refusals.empty() || !agent.full_stop) {
            happened = true;
            decide(cpu);
            send(cpu);
        }
    });
    return happened;
}

bool Crew::settle() {
    for (int round = 0; round < 1000; ++round) {
        if (!settle_once()) {
            return true;
        }
    }
    return false;
}

std::string Crew::complaint() {
    std::uint32_t unplaced = 0;
    for (const std::uint32_t line : kernel_.in_state(abi::ThreadState::kUnplaced)) {
        unplaced += kernel_.in_domain(line) ? 1 : 0;
    }
    if (unplaced != dispatcher_->enqueued()) {
        return "unplaced " + std::to_string(unplaced) + ", enqueued " +
               std::to_string(dispatcher_->enqueued());
    }
    std::string found;
    for_each_cpu(kernel_.cpus(), [&](std::uint32_t cpu) {
        if (found.empty()) {
            found = complaint_about_cpu(cpu);
        }
    });
    return found;
}

std::string Crew::complaint_about_cpu(std::uint32_t cpu) const {
    const std::string name = "CPU " + std::to_string(cpu);
    if (kernel_.on(cpu).size() != dispatcher_->load().count(cpu)) {
        return name + " has " + std::to_string(kernel_.on(cpu).size()) + " threads, the dispatcher thinks " +
               std::to_string(dispatcher_->load().count(cpu));
    }
    const auto may_run_here = [&](std::uint32_t line) {
        return kernel_.in_domain(line) && (kernel_.affinity(line) >> cpu & 1) != 0;
    };
    if (kernel_.on(cpu).size() < dispatcher_->policy().depth() &&
        std::ranges::any_of(kernel_.in_state(abi::ThreadState::kUnplaced), may_run_here)) {
        return name + " has room while an unplaced thread may run there";
    }
    if (kernel_.on(cpu).empty()) {
        for (std::uint32_t other = 0; other < abi::kMaxCpus; ++other) {
            if (kernel_.on(other).size() >= 2 && std::ranges::any_of(kernel_.on(other), may_run_here)) {
                return name + " idles while a thread could move there from CPU " + std::to_string(other);
            }
        }
    }
    return {};
}

}  // namespace test
