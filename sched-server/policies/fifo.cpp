// SPDX-License-Identifier: MIT
//
// fifo: one queue for all CPUs; a thread runs until it blocks or exits. The smallest policy that works.
//
// Invariants: threads start in the order in which they became runnable, as far as affinity allows; none is
// preempted; no CPU idles while an enqueued thread may run there. A thread that never blocks starves those
// behind it; when that lasts longer than watchdog_ms, the kernel takes the domain back.
#include "registry.hpp"

namespace sched {
namespace {

class Fifo final : public Policy {
public:
    std::string_view name() const override { return "fifo"; }

    void enqueue(Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* const task = queue_.take_first(cpu);
        return task != nullptr ? std::optional(Pick{task, abi::kNoSlice}) : std::nullopt;
    }

private:
    TaskQueue queue_;
};

}  // namespace

Policy& make_fifo(PolicyStorage& storage) { return construct_policy<Fifo>(storage); }

}  // namespace sched
