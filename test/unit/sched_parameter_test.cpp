// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "cap/format.hpp"
#include "policy_seat.hpp"

using namespace sched;

namespace {

constexpr std::array<CpuPlace, 2> kTwo = {{{.served = true}, {.served = true}}};

// Wants an even number, and at most two CPUs.
class Picky final : public Policy {
public:
    std::string_view name() const override { return "picky"; }
    void enqueue(Task&, abi::Cause, std::uint64_t) override {}
    std::optional<Pick> pick_next(std::uint32_t, std::uint64_t) override { return {}; }
    std::span<const Parameter> parameters() override { return parameters_; }
    std::string_view start(const Machine& machine) override {
        return machine.cpus.size() > 2 ? "more than two CPUs" : number_ % 2 != 0 ? "number is odd" : "";
    }
    std::uint64_t number() const { return number_; }

private:
    std::uint64_t number_ = 4;
    std::array<Parameter, 1> parameters_{{{"number", &number_, 2, 10}}};
};

constexpr PolicyEntry kPicky{
    "picky", [](PolicyStorage& storage) -> Policy& { return construct_policy<Picky>(storage); }};

std::string refusal(Setting setting, const Machine& machine = {kTwo}) {
    auto seat = std::make_unique<PolicySeat>();
    cap::LineBuffer<128> line;
    CHECK(seat->prepare(kPicky, std::array{setting}, machine, line) == nullptr);
    return std::string(line.view());
}

}  // namespace

TEST_CASE("sched parameter: a value within its bounds is set") {
    auto seat = std::make_unique<PolicySeat>();
    cap::LineBuffer<128> line;
    Policy* const policy = seat->prepare(kPicky, std::array{Setting{"number", "10"}}, {kTwo}, line);
    REQUIRE(policy != nullptr);
    CHECK(static_cast<Picky*>(policy)->number() == 10);
    CHECK(line.view().empty());
}

TEST_CASE("sched parameter: every refusal names the parameter and what is allowed") {
    CHECK(refusal({"numbr", "4"}) == "error: policy picky has no parameter \"numbr\"; known: number");
    CHECK(refusal({"number", "11"}) == "error: parameter number=11 is not a number from 2 to 10");
    CHECK(refusal({"number", "1"}) == "error: parameter number=1 is not a number from 2 to 10");
    CHECK(refusal({"number", "two"}) == "error: parameter number=two is not a number from 2 to 10");
    CHECK(refusal({"number", "3"}) == "error: policy picky: number is odd");
    CHECK(refusal({"number", "4"}, {std::array<CpuPlace, 3>{}}) == "error: policy picky: more than two CPUs");
    cap::LineBuffer<128> line;
    CHECK(!set_parameter("fifo", {}, "slice_us", "1", line));
    CHECK(line.view() == "error: policy fifo has no parameter \"slice_us\"; known: none");
}

TEST_CASE("sched parameter: a policy that is refused leaves the one in charge as it is") {
    auto seat = std::make_unique<PolicySeat>();
    cap::LineBuffer<128> line;
    auto* const first =
        static_cast<Picky*>(seat->prepare(kPicky, std::array{Setting{"number", "6"}}, {kTwo}, line));
    REQUIRE(first != nullptr);
    seat->accept();
    CHECK(seat->prepare(kPicky, std::array{Setting{"number", "3"}}, {kTwo}, line) == nullptr);
    CHECK(first->number() == 6);
    Policy* const second = seat->prepare(kPicky, {}, {kTwo}, line);
    CHECK(second != first);
    CHECK(first->number() == 6);
}

TEST_CASE("sched parameter: round_robin takes its slice from slice_us") {
    auto seat = std::make_unique<PolicySeat>();
    cap::LineBuffer<128> line;
    Policy* const policy =
        seat->prepare(*find_policy("round_robin"), std::array{Setting{"slice_us", "250"}}, {kTwo}, line);
    REQUIRE(policy != nullptr);
    Task task;
    task.affinity = 1;
    policy->enqueue(task, abi::Cause::kStarted, 0);
    CHECK(policy->pick_next(0, 0)->slice_ns == 250'000);
}
