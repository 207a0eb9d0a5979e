// SPDX-License-Identifier: MIT
//
// by_label: of the runnable threads the one with the highest label runs first, until it blocks or exits; of several with
// the same label, the one that became runnable first.
//
// Invariants: no CPU idles while an enqueued thread may run there; none is preempted. A thread with a low label starves
// as long as those with higher ones are runnable.
#include "registry.hpp"

namespace sched {
namespace {

class ByLabel final : public Policy {
public:
    std::string_view name() const override { return "by_label"; }

    void enqueue(Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }

    // Linear in the enqueued threads.
    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* best = nullptr;
        for (Task& task : queue_) {
            if (task.may_run_on(cpu) && (best == nullptr || task.label > best->label)) {
                best = &task;
            }
        }
        if (best == nullptr) {
            return std::nullopt;
        }
        queue_.remove(*best);
        return Pick{best, abi::kNoSlice};
    }

    void remove(Task& task) override { queue_.remove(task); }

private:
    TaskQueue queue_;
};

}  // namespace

// Named after the file: the build writes the table in which the server finds it.
Policy& make_by_label(PolicyStorage& storage) { return construct_policy<ByLabel>(storage); }

}  // namespace sched
