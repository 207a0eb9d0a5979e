// SPDX-License-Identifier: MIT
//
// Team: the threads of a workload. They are made one by one, each with a label for the policy, begin together, and are joined.
// For the workload's main thread alone.
//
//     workload::Team<16> team(context.env);
//     TRY(team.add([&] { ... }, {.priority = 200}));
//     TRY(team.begin(context.report));
//     TRY(team.join());
#pragma once

#include "abi/sched_label.hpp"
#include "cap/joining_thread.hpp"
#include "cap/sync.hpp"
#include "workload/report.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace workload {

using abi::SchedLabel;

template <std::size_t kMax>
class Team {
public:
    explicit Team(const cap::Env& env) : env_(env) {}
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    // `body` is called as body(ring) or body() once begin() has opened the gate.
    template <class Body>
    [[nodiscard]] cap::Result<void> add(Body body, const SchedLabel& label = {}) {
        if (size_ == kMax || !label.fits()) {
            return cap::fail(abi::Error::kBadArgument);
        }
        const auto wait_and_run = [this, body](cap::Ring& ring) mutable {
            gate_.wait();
            if constexpr (std::is_invocable_v<Body&, cap::Ring&>) {
                body(ring);
            } else {
                body();
            }
        };
        threads_[size_] = TRY(cap::JoiningThread::create(env_, wait_and_run, {.label = label.pack()}));
        ++size_;
        return {};
    }

    // Starts them and, with the timed section, lets them go. If it fails, none is let go: they are joined all the same.
    [[nodiscard]] cap::Result<void> begin(Report& report) {
        const auto began = start_all(report);
        gate_.count_down();
        return began;
    }

    // Waits until all have ended.
    [[nodiscard]] cap::Result<void> join() {
        for (std::size_t i = 0; i < size_; ++i) {
            TRY(threads_[i].join(env_.ring));
        }
        return {};
    }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] const cap::JoiningThread& operator[](std::size_t index) const { return threads_[index]; }

private:
    cap::Result<void> start_all(Report& report) {
        for (std::size_t i = 0; i < size_; ++i) {
            TRY(threads_[i]->start());
        }
        return report.begin();
    }

    const cap::Env& env_;
    cap::Latch gate_{1};
    std::size_t size_ = 0;
    std::array<cap::JoiningThread, kMax> threads_;
};

}  // namespace workload
