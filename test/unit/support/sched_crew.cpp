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
    for_each_cpu(kernel_.agents(), [&](std::uint32_t cpu) {
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
        const bool tick_is_due = dispatcher_->next_tick_ns() <= now_ns_;
        if (event || !agent.refusals.empty() || !agent.full_stop || tick_is_due) {
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
    const std::string found = complaint_about_books();
    return found.empty() ? name_first(left_waiting()) : found;
}

std::string Crew::settled_complaint() {
    std::vector<LeftWaiting> left;
    std::uint64_t end_ns = 0;
    for (bool first = true;; first = false) {
        if (!settle()) {
            return "does not settle";
        }
        if (const std::string found = complaint_about_books(); !found.empty()) {
            return found;
        }
        if (first) {
            end_ns = now_ns_ + dispatcher_->policy().may_idle_ns();
            left = left_waiting();
        } else {
            left = still(left, left_waiting());
        }
        if (left.empty() || now_ns_ >= end_ns) {
            return name_first(left);
        }
        now_ns_ = std::min(end_ns, dispatcher_->next_tick_ns());
    }
}

std::string Crew::name_first(const std::vector<LeftWaiting>& left) {
    return left.empty() ? ""
                        : "CPU " + std::to_string(std::countr_zero(left.front().cpus)) +
                              " has room while unplaced thread " + std::to_string(left.front().line) +
                              " may run there";
}

// Those of `before` that wait still, and have not been placed meanwhile, with the CPUs that are free still.
std::vector<Crew::LeftWaiting> Crew::still(const std::vector<LeftWaiting>& before,
                                           const std::vector<LeftWaiting>& now) {
    std::vector<LeftWaiting> both;
    for (const LeftWaiting& one : before) {
        const auto same = std::ranges::find_if(now, [&](const LeftWaiting& other) {
            return other.line == one.line && other.sequence == one.sequence;
        });
        if (same != now.end() && (same->cpus & one.cpus) != 0) {
            both.push_back({one.line, one.sequence, same->cpus & one.cpus});
        }
    }
    return both;
}

std::vector<Crew::LeftWaiting> Crew::left_waiting() const {
    std::uint64_t room = 0;
    for_each_cpu(kernel_.cpus(), [&](std::uint32_t cpu) {
        room |= kernel_.on(cpu).size() < dispatcher_->policy().depth() ? std::uint64_t{1} << cpu : 0;
    });
    std::vector<LeftWaiting> left;
    for (const std::uint32_t line : kernel_.in_state(abi::ThreadState::kUnplaced)) {
        if (kernel_.in_domain(line) && (kernel_.affinity(line) & room) != 0) {
            left.push_back({line, kernel_.word(line).sequence(), kernel_.affinity(line) & room});
        }
    }
    return left;
}

std::string Crew::complaint_about_books() {
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
        return kernel_.in_domain(line) && !kernel_.on_loan(line) && (kernel_.affinity(line) >> cpu & 1) != 0;
    };
    if (kernel_.on(cpu).empty() && dispatcher_->policy().feeds_idle()) {
        for (std::uint32_t other = 0; other < abi::kMaxCpus; ++other) {
            if (kernel_.on(other).size() >= 2 && std::ranges::any_of(kernel_.on(other), may_run_here)) {
                return name + " idles while a thread could move there from CPU " + std::to_string(other);
            }
        }
    }
    return {};
}

}  // namespace test
