// SPDX-License-Identifier: MIT
//
// round_robin: one queue for all CPUs, and a fixed slice; a thread whose slice has ended goes to the tail.
// Parameter: slice_us.
//
// Two threads are kept at a CPU, so that the kernel switches at a slice's end without asking, and arms no
// slice where one thread runs alone. Invariants: no CPU idles while an enqueued thread may run there; between
// two runs of a thread, every other thread that was enqueued before it, and may run on that CPU, has been
// picked.
#include "registry.hpp"

#include <array>

namespace sched {
namespace {

class RoundRobin final : public Policy {
public:
    std::string_view name() const override { return "round_robin"; }
    std::uint32_t depth() const override { return 2; }

    void enqueue(Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* const task = queue_.take_first(cpu);
        return task != nullptr ? std::optional(Pick{task, slice_us_ * 1000}) : std::nullopt;
    }

    std::span<const Parameter> parameters() override { return parameters_; }

private:
    TaskQueue queue_;
    std::uint64_t slice_us_ = 5000;
    std::array<Parameter, 1> parameters_{{{"slice_us", &slice_us_, 100, 1'000'000}}};
};

}  // namespace

Policy& make_round_robin(PolicyStorage& storage) { return construct_policy<RoundRobin>(storage); }

}  // namespace sched
