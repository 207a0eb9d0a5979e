// SPDX-License-Identifier: MIT
//
// CheckedPolicy: stands between the dispatcher and a policy and checks that both keep the contract of
// policy.hpp. A breach throws.
#pragma once

#include <map>
#include <stdexcept>

#include "policy.hpp"

namespace test {

class CheckedPolicy final : public sched::Policy {
public:
    explicit CheckedPolicy(sched::Policy& policy) : policy_(policy) {}

    std::string_view name() const override { return policy_.name(); }
    std::uint32_t depth() const override { return policy_.depth(); }

    void enqueue(sched::Task& task, sched::abi::Cause cause, std::uint64_t now_ns) override {
        expect(!known_.contains(&task), "enqueued, but it is enqueued or picked");
        known_[&task] = {.picked = false, .affinity = task.affinity, .ref = task.ref};
        policy_.enqueue(task, cause, now_ns);
    }

    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        const auto pick = policy_.pick_next(cpu, now_ns);
        if (pick) {
            Known& known = of(*pick->task);
            expect(!known.picked, "picked twice");
            expect(pick->task->may_run_on(cpu), "picked against its affinity");
            known.picked = true;
        }
        return pick;
    }

    void remove(sched::Task& task) override {
        expect(!of(task).picked, "removed, but it is picked");
        known_.erase(&task);
        policy_.remove(task);
    }

    void stopped(sched::Task& task, sched::abi::Cause cause, std::uint64_t now_ns) override {
        expect(of(task).picked, "stopped, but it is enqueued");
        policy_.stopped(task, cause, now_ns);
        known_.erase(&task);
    }

    void adopt(sched::Task& task, std::uint64_t now_ns) override {
        expect(!known_.contains(&task) || of(task).picked, "adopted, but it is enqueued");
        known_[&task] = {.picked = true, .affinity = task.affinity, .ref = task.ref};
        policy_.adopt(task, now_ns);
    }

    void affinity_changed(sched::Task& task, std::uint64_t now_ns) override {
        expect(of(task).picked, "told of an affinity, but it is enqueued");
        policy_.affinity_changed(task, now_ns);
    }

    void gone(sched::Task& task, std::uint64_t now_ns) override {
        expect(!known_.contains(&task), "gone, but it is enqueued or picked");
        policy_.gone(task, now_ns);
    }

    bool inherits() const override { return policy_.inherits(); }
    bool claims_before(const sched::Task& a, const sched::Task& b) const override {
        return policy_.claims_before(a, b);
    }
    void donor_changed(sched::Task& task, std::uint64_t now_ns) override {
        expect(of(task).picked, "told of a donor, but it is enqueued");
        policy_.donor_changed(task, now_ns);
    }

    bool feeds_idle() const override { return policy_.feeds_idle(); }
    std::uint64_t may_idle_ns() const override { return policy_.may_idle_ns(); }
    sched::Task* recall(std::uint64_t now_ns) override {
        sched::Task* const task = policy_.recall(now_ns);
        expect(task == nullptr || of(*task).picked, "recalled, but it is enqueued");
        return task;
    }
    std::optional<std::uint32_t> preempt(std::uint64_t now_ns) override { return policy_.preempt(now_ns); }
    std::uint64_t next_tick_ns() const override { return policy_.next_tick_ns(); }
    void tick(std::uint64_t now_ns) override {
        expect(now_ns >= policy_.next_tick_ns(), "a tick before its time");
        policy_.tick(now_ns);
    }
    std::span<const sched::Parameter> parameters() override { return policy_.parameters(); }
    std::string_view start(const sched::Machine& machine) override { return policy_.start(machine); }
    void cpu_taken(std::uint32_t cpu, std::uint64_t now_ns) override { policy_.cpu_taken(cpu, now_ns); }
    void cpu_returned(std::uint32_t cpu, std::uint64_t now_ns) override { policy_.cpu_returned(cpu, now_ns); }

private:
    struct Known {
        bool picked;
        std::uint64_t affinity;
        sched::abi::ThreadRef ref;
    };

    static void expect(bool condition, const char* what) {
        if (!condition) {
            throw std::logic_error(what);
        }
    }

    Known& of(const sched::Task& task) {
        const auto found = known_.find(&task);
        expect(found != known_.end(), "a task that is neither enqueued nor picked");
        Known& known = found->second;
        expect(known.ref == task.ref, "the task's thread changed while the policy knew it");
        expect(known.picked || known.affinity == task.affinity, "the affinity changed while it was enqueued");
        return known;
    }

    sched::Policy& policy_;
    std::map<const sched::Task*, Known> known_;
};

}  // namespace test
