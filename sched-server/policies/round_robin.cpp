// SPDX-License-Identifier: MIT
//
// round_robin: one queue for all CPUs, and a fixed slice; a thread whose slice has ended goes to the tail.
//
// Two threads are kept at a CPU, so that the kernel switches at a slice's end without asking, and arms no
// slice where one thread runs alone. Invariants: no CPU idles while an enqueued thread may run there; between
// two runs of a thread, every other thread that was enqueued before it, and may run on that CPU, has been
// picked.
#include "policies/take_first.hpp"
#include "registry.hpp"

namespace sched {
namespace {

constexpr std::uint64_t kSliceNs = 5'000'000;

class RoundRobin final : public Policy {
public:
    std::string_view name() const override { return "round_robin"; }
    std::uint32_t depth() const override { return 2; }

    void enqueue(Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* const task = take_first(queue_, cpu);
        return task != nullptr ? std::optional(Pick{task, kSliceNs}) : std::nullopt;
    }

    void remove(Task& task) override { queue_.remove(task); }

private:
    TaskQueue queue_;
};

}  // namespace

Policy& make_round_robin(PolicyStorage& storage) { return construct_policy<RoundRobin>(storage); }

}  // namespace sched
