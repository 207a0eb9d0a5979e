// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "cap/format.hpp"
#include "command.hpp"

using namespace sched;
using Kind = Command::Kind;

namespace {

std::string error_of(std::string_view text) {
    cap::LineBuffer<200> line;
    CHECK(!parse_command(text, line));
    return std::string(line.view());
}

Command command_of(std::string_view text) {
    cap::LineBuffer<200> line;
    const auto command = parse_command(text, line);
    REQUIRE(command);
    CHECK(line.view().empty());
    return *command;
}

}  // namespace

TEST_CASE("sched command: what is accepted") {
    CHECK(command_of("policies").kind == Kind::kPolicies);
    CHECK(command_of(" dump ").kind == Kind::kDump);
    CHECK(command_of("statistics").kind == Kind::kStatistics);
    CHECK(command_of("retire").kind == Kind::kRetire);
    const Command swap = command_of("swap slice_us=500 policy=round_robin");
    CHECK(swap.kind == Kind::kSwap);
    CHECK(swap.policy->name == "round_robin");
    REQUIRE(swap.parameters().size() == 1);
    CHECK(swap.parameters()[0].name == "slice_us");
    CHECK(swap.parameters()[0].value == "500");
    CHECK(command_of("set slice_us=1").parameters().size() == 1);
}

TEST_CASE("sched command: every refusal says what is wrong") {
    constexpr std::string_view kKnown = "unknown; known: swap set statistics dump policies retire";
    CHECK(error_of("") == "error: command \"\" " + std::string(kKnown));
    CHECK(error_of("dance") == "error: command \"dance\" " + std::string(kKnown));
    CHECK(error_of("swap=1").starts_with("error: command \"swap\" unknown"));
    CHECK(error_of("dump all") == "error: command dump takes no more words");
    CHECK(error_of("swap") == "error: swap needs policy=NAME");
    CHECK(error_of("set") == "error: set needs PARAMETER=VALUE");
    CHECK(error_of("swap policy=nosuch").starts_with("error: policy \"nosuch\" unknown; known: "));
    CHECK(error_of("set a= b= c= d= e= f= g= h= i= j= k= l= m= n= o= p= q=") ==
          "error: more than 16 parameters");
}

TEST_CASE("sched command: of several parameters all are set, or none") {
    auto storage = std::make_unique<PolicyStorage>();
    Policy& policy = find_policy("round_robin")->make(*storage);
    const std::uint64_t& slice_us = *policy.parameters()[0].value;
    const std::uint64_t before = slice_us;
    cap::LineBuffer<200> line;
    const Setting wrong[] = {{"slice_us", "700"}, {"slice_us", "800"}, {"colour", "1"}};
    CHECK(!set_all(policy, wrong, line));
    CHECK(line.view().starts_with("error: policy round_robin has no parameter \"colour\""));
    CHECK(slice_us == before);
    line.clear();
    CHECK(set_all(policy, std::span(wrong).first(2), line));
    CHECK(slice_us == 800);
    CHECK(line.view().empty());
}
