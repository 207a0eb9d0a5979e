// SPDX-License-Identifier: MIT
//
// one_cpu: first in, first out, on CPU 0, whatever the number of CPUs. Not a policy to use: a scaling run under it must be
// refused. It is in the test build of the server alone.
#include "registry.hpp"

namespace sched {
namespace {

class OneCpu final : public Policy {
public:
    std::string_view name() const override { return "one_cpu"; }

    void enqueue(Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* const task = cpu == 0 ? queue_.take_first(cpu) : nullptr;
        return task != nullptr ? std::optional(Pick{task, abi::kNoSlice}) : std::nullopt;
    }

private:
    TaskQueue queue_;
};

}  // namespace

Policy& make_one_cpu(PolicyStorage& storage) { return construct_policy<OneCpu>(storage); }

}  // namespace sched
