// SPDX-License-Identifier: MIT
//
// PolicyBench: one policy of depth 1 and the CPUs below it as an event loop with a clock, so that a test can say what happened when.
// It does what the dispatcher does (tick, fill, preempt, recall), with commits that arrive at once, and keeps what each
// thread has run (Task::runtime_ns) by its own count. Threads are the test's; what they do next, it says from outside:
//
//     bench.start(task); bench.run_until(5'000'000, [&](Task& task) { ... });   see run_until()
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "attributes.hpp"
#include "cap/format.hpp"
#include "policy_seat.hpp"
#include "registry.hpp"
#include "support/named_numbers.hpp"

namespace test {

namespace abi = cox::abi;

struct BenchTask : sched::Task {
    BenchTask() { affinity = ~std::uint64_t{0}; }
    explicit BenchTask(const sched::Attributes& attributes) : BenchTask() { label = attributes.label(); }

    bool placed = false;
    bool enqueued = false;
    std::uint64_t since_ns = 0;                 // on its CPU
    std::uint64_t ran_ns = 0;                   // in total
    std::uint64_t work_ns = ~std::uint64_t{0};  // until it blocks
    std::uint64_t wakes_ns =
        sched::kNever;  // when it blocks or has not come yet: when it comes, with `next_work_ns`
    std::uint64_t next_work_ns = 0;
    std::uint64_t period_ns = 0;  // wakes again so long after the wake before; 0: never
    std::uint64_t finished = 0;   // how often it has blocked
    std::uint64_t late = 0;       // of these, after the end of its period
};

class PolicyBench {
public:
    PolicyBench(std::string_view name, std::vector<sched::CpuPlace> places,
                std::vector<sched::Setting> settings = {})
        : places_(std::move(places)), running_(places_.size()) {
        cap::LineBuffer<256> line;
        sched::Policy* const made = seat_->prepare(*sched::find_policy(name), settings, {places_}, line);
        if (made == nullptr) {
            throw std::runtime_error(std::string(line.view()));
        }
        seat_->accept();
        policy_ = made;
    }
    static std::vector<sched::CpuPlace> cpus(std::size_t count) {
        std::vector<sched::CpuPlace> places(count);
        for (std::size_t cpu = 0; cpu < count; ++cpu) {
            places[cpu] = {.core = static_cast<std::uint16_t>(cpu), .served = true};
        }
        return places;
    }

    sched::Policy& policy() { return *policy_; }
    std::uint64_t now() const { return now_ns_; }
    BenchTask* on(std::size_t cpu) const { return running_[cpu]; }
    std::uint64_t number(std::string_view name) const { return NamedNumbers(*policy_).at(name); }

    // The thread exists, and becomes runnable at `at_ns`, for `work_ns`.
    void add(BenchTask& task, std::uint64_t at_ns = 0, std::uint64_t work_ns = ~std::uint64_t{0}) {
        task.ref.index = static_cast<std::uint32_t>(tasks_.size());
        tasks_.push_back(&task);
        task.wakes_ns = at_ns;
        task.next_work_ns = work_ns;
        if (at_ns <= now_ns_) {
            wake(task);
            decide();
        }
    }
    void block(BenchTask& task) {
        stop(task, abi::Cause::kBlocked);
        decide();
    }
    // Calls, as the dispatcher tells of them. The caller, which runs, waits for the server, which becomes runnable.
    void call(BenchTask& caller, BenchTask& server) {
        stop(caller, abi::Cause::kCalls);
        caller.wakes_ns = sched::kNever;
        server.donor = policy_->claims_before(caller, server) && policy_->inherits() ? &caller : nullptr;
        add(server, now_ns_);
    }
    void donate(BenchTask& server, BenchTask* donor) {
        if (server.enqueued) {
            policy_->remove(server);
            server.donor = donor;
            policy_->enqueue(server, abi::Cause::kNone, now_ns_);
        } else {
            server.donor = donor;
            if (server.placed) {
                policy_->donor_changed(server, now_ns_);
            }
        }
        decide();
    }
    // The server is done, and the caller goes on.
    void answer(BenchTask& server, BenchTask& caller) {
        server.donor = nullptr;
        policy_->donor_changed(server, now_ns_);
        stop(server, abi::Cause::kBlocked);
        wake_caller(caller);
    }
    void wake_caller(BenchTask& caller) {
        enqueue(caller, abi::Cause::kWoken);
        decide();
    }
    void exit(BenchTask& task) {
        if (task.placed) {
            stop(task, abi::Cause::kExited);
        } else if (task.enqueued) {
            task.enqueued = false;
            policy_->remove(task);
        }
        task.wakes_ns = sched::kNever;
        std::erase(tasks_, &task);
        policy_->gone(task, now_ns_);
        decide();
    }

    // Time goes on to `end_ns`, with all that is due on the way: ends of work first, then wakes, then ticks.
    void run_until(std::uint64_t end_ns) {
        for (;;) {
            std::uint64_t next = std::min(end_ns, std::max(policy_->next_tick_ns(), now_ns_ + 1));
            for (const BenchTask* task : tasks_) {
                if (!task->enqueued) {
                    next = std::min(next, task->placed ? end_of_work(*task) : task->wakes_ns);
                }
            }
            advance(next);
            if (now_ns_ == end_ns) {
                return;
            }
        }
    }

    // What must hold after each step; the first complaint is kept.
    std::function<std::string()> check;
    std::string complaint;

private:
    static std::uint64_t end_of_work(const BenchTask& task) {
        return task.work_ns > sched::kNever - task.since_ns ? sched::kNever : task.since_ns + task.work_ns;
    }

    void advance(std::uint64_t to_ns) {
        now_ns_ = std::max(now_ns_, to_ns);
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            BenchTask& task = *tasks_[i];
            if (task.placed && end_of_work(task) <= now_ns_) {
                stop(task, abi::Cause::kBlocked);
                ++task.finished;
                task.late += task.period_ns != 0 && now_ns_ > task.wakes_ns ? 1 : 0;
            }
        }
        for (BenchTask* task : tasks_) {
            if (!task->placed && !task->enqueued && task->wakes_ns <= now_ns_) {
                wake(*task);
            }
        }
        decide();
        if (check && complaint.empty()) {
            const std::string found = check();
            complaint = found.empty() ? "" : std::to_string(now_ns_) + " ns: " + found;
        }
    }
    void wake(BenchTask& task) {
        task.work_ns = task.next_work_ns;
        task.wakes_ns = task.period_ns != 0 ? task.wakes_ns + task.period_ns : sched::kNever;
        enqueue(task, abi::Cause::kWoken);
    }
    void enqueue(BenchTask& task, abi::Cause cause) {
        task.enqueued = true;
        policy_->enqueue(task, cause, now_ns_);
    }
    void stop(BenchTask& task, abi::Cause cause) {
        const std::uint64_t ran = now_ns_ - task.since_ns;
        task.ran_ns += ran;
        task.runtime_ns += ran;
        task.work_ns -= task.work_ns == ~std::uint64_t{0} ? 0 : ran;
        task.placed = false;
        task.last_cpu = task.cpu;
        running_[task.cpu] = nullptr;
        policy_->stopped(task, cause, now_ns_);
    }
    bool place(std::uint32_t cpu) {
        const auto pick = policy_->pick_next(cpu, now_ns_);
        if (!pick) {
            return false;
        }
        auto& task = static_cast<BenchTask&>(*pick->task);
        if (!task.enqueued || !task.may_run_on(cpu)) {
            throw std::logic_error("a pick that is not enqueued, or may not run there");
        }
        task.enqueued = false;
        BenchTask* const victim = running_[cpu];
        task.placed = true;
        task.cpu = cpu;
        task.since_ns = now_ns_;
        if (victim != nullptr) {
            stop(*victim, abi::Cause::kRecalled);
            enqueue(*victim, abi::Cause::kRecalled);
        }
        running_[cpu] = &task;
        return true;
    }
    bool any_enqueued() const {
        return std::ranges::any_of(tasks_, [](const BenchTask* task) { return task->enqueued; });
    }
    void decide() {
        for (int round = 0; round < 1000; ++round) {
            if (!decide_once()) {
                return;
            }
        }
        throw std::logic_error("the policy does not come to an end");
    }
    bool decide_once() {
        bool changed = false;
        if (policy_->next_tick_ns() <= now_ns_) {
            policy_->tick(now_ns_);
        }
        for (std::uint32_t cpu = 0; cpu < running_.size(); ++cpu) {
            changed |= places_[cpu].served && running_[cpu] == nullptr && any_enqueued() && place(cpu);
        }
        while (any_enqueued()) {
            const auto cpu = policy_->preempt(now_ns_);
            if (!cpu || !place(*cpu)) {
                break;
            }
            changed = true;
        }
        while (auto* const task = static_cast<BenchTask*>(policy_->recall(now_ns_))) {
            stop(*task, abi::Cause::kRecalled);
            enqueue(*task, abi::Cause::kRecalled);
            changed = true;
        }
        return changed;
    }

    std::vector<sched::CpuPlace> places_;
    std::unique_ptr<sched::PolicySeat> seat_ = std::make_unique<sched::PolicySeat>();
    sched::Policy* policy_ = nullptr;
    std::vector<BenchTask*> tasks_;
    std::vector<BenchTask*> running_;
    std::uint64_t now_ns_ = 0;
};

}  // namespace test
