// SPDX-License-Identifier: MIT
//
// Crew: a dispatcher with a policy, and an agent per CPU, over a FakeKernel. An agent's round is cut into the
// two parts that really are apart: decide() happens under the server's lock, send() afterwards, when others
// may have decided.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dispatcher.hpp"
#include "registry.hpp"
#include "support/fake_kernel.hpp"

namespace test {

class Crew {
public:
    explicit Crew(FakeKernel& kernel, sched::Policy& policy, abi::HintLine* hints = nullptr)
        : kernel_(kernel),
          dispatcher_(std::make_unique<sched::Dispatcher>(policy, kernel.table(), kernel.cpus(),
                                                          cap::Clock(1'000'000'000), hints)) {}

    sched::Dispatcher& dispatcher() { return *dispatcher_; }
    std::uint64_t commits() const { return commits_; }
    std::uint64_t refusals() const { return refusals_; }

    // Another policy takes over; every agent makes a round.
    void set_policy(sched::Policy& next) {
        dispatcher_->set_policy(next, now_ns_);
        for (Agent& agent : agents_) {
            agent.full_stop = false;
        }
    }

    void decide(std::uint32_t cpu);
    void send(std::uint32_t cpu);
    bool idle(std::uint32_t cpu) const {
        return agents_[cpu].refusals.empty() && agents_[cpu].batch.requests().empty() &&
               agents_[cpu].full_stop;
    }

    // Time goes on; a tick that is due comes with the next round.
    void pass(std::uint64_t ns) { now_ns_ += ns; }

    // Lets every agent and every CPU go on until nothing happens any more, time standing still. False if that takes too long.
    [[nodiscard]] bool settle();

    // What is wrong once everything has settled; empty if nothing.
    [[nodiscard]] std::string complaint();

    // Settles, and says what is wrong. A thread may wait beside a CPU with room for the policy's may_idle_ns(): time goes on for so
    // long, with all ticks.
    [[nodiscard]] std::string settled_complaint();

private:
    struct Agent {
        sched::CommitBatch batch;
        std::vector<std::pair<sched::CommitTag, abi::Error>> refusals;
        bool full_stop = false;  // the last round left nothing to do; every agent begins with a round
    };

    bool settle_once();
    std::string complaint_about_books();
    std::string complaint_about_cpu(std::uint32_t cpu) const;

    // An unplaced thread, and the CPUs where it may run that have room.
    struct LeftWaiting {
        std::uint32_t line;
        std::uint32_t sequence;
        std::uint64_t cpus;
    };
    std::vector<LeftWaiting> left_waiting() const;
    static std::vector<LeftWaiting> still(const std::vector<LeftWaiting>& before,
                                          const std::vector<LeftWaiting>& now);
    static std::string name_first(const std::vector<LeftWaiting>& left);

    FakeKernel& kernel_;
    std::unique_ptr<sched::Dispatcher> dispatcher_;
    std::array<Agent, abi::kMaxCpus> agents_;
    std::uint64_t now_ns_ = 0;
    std::uint64_t commits_ = 0;
    std::uint64_t refusals_ = 0;
};

}  // namespace test
