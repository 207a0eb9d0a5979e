// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <string>

#include "options.hpp"

using namespace sched;

namespace {

std::string error_of(std::string_view arguments) {
    cap::LineBuffer<128> line;
    CHECK(!parse_options(arguments, line));
    return std::string(line.view());
}

Options options_of(std::string_view arguments) {
    cap::LineBuffer<128> line;
    const auto options = parse_options(arguments, line);
    REQUIRE(options);
    CHECK(line.view().empty());
    return *options;
}

}  // namespace

TEST_CASE("sched options: defaults and what is accepted") {
    CHECK(options_of("").policy->name == "round_robin");
    CHECK(options_of("").cpus == ~std::uint64_t{0});
    CHECK(options_of("policy=fifo cpus=0x6").policy->name == "fifo");
    CHECK(options_of("policy=fifo cpus=0x6").cpus == 6);
    CHECK(options_of("policy=fifo").record_pages == 0);
    CHECK(options_of("policy=fifo record=0").record_pages == 0);
    CHECK(options_of("policy=fifo record=512").record_pages == 512);
    CHECK(!options_of("agents=per_cpu").central);
    CHECK(options_of("agents=central").central);
    CHECK(options_of("fault=ignore").fault.ignore);
    CHECK(options_of("fault=exit_after=12").fault.exit_after == 12);
    CHECK(options_of("fault=drop_wake=3").fault.drop_wake == 3);
}

TEST_CASE("sched options: every refusal names the value and what is known") {
    CHECK(error_of("policy=nosuch").starts_with("error: policy \"nosuch\" unknown; known: chaos "));
    CHECK(error_of("policy").starts_with("error: policy \"\" unknown; known: chaos "));
    CHECK(error_of("cpus=0") == "error: cpus \"0\" is not a mask of CPUs, like 0x3");
    CHECK(error_of("record=1") == "error: record \"1\" is not a number of pages, 0 or from 2 to 512");
    CHECK(error_of("record=513") == "error: record \"513\" is not a number of pages, 0 or from 2 to 512");
    CHECK(error_of("record=on") == "error: record \"on\" is not a number of pages, 0 or from 2 to 512");
    CHECK(error_of("cpus=two") == "error: cpus \"two\" is not a mask of CPUs, like 0x3");
    CHECK(error_of("fault=exit_after=0") ==
          "error: fault \"exit_after=0\" unknown; known: ignore exit_after=N drop_wake=N");
    CHECK(error_of("agents=two") == "error: agents \"two\" unknown; known: per_cpu central");
    CHECK(error_of("a= b= c= d= e= f= g= h= i= j= k= l= m= n= o= p= q=") == "error: more than 16 parameters");
}

TEST_CASE("sched fault: the process ends with the commit that reaches the number, not before") {
    Fault never{FaultPlan{}};
    CHECK(!never.time_to_exit(1000));
    Fault after{FaultPlan{.exit_after = 5}};
    CHECK(!after.time_to_exit(0));
    CHECK(!after.time_to_exit(4));
    CHECK(after.time_to_exit(1));
}

TEST_CASE("sched fault: one event of a woken thread is forgotten, no other") {
    const auto word = [](abi::ThreadState state, abi::Cause cause) {
        return abi::ThreadWord{static_cast<std::uint64_t>(state) | static_cast<std::uint64_t>(cause) << 26};
    };
    const auto woken = word(abi::ThreadState::kUnplaced, abi::Cause::kWoken);
    Fault fault{FaultPlan{.drop_wake = 2}};
    CHECK(fault.forgets_wakes());
    CHECK(!fault.forgets(word(abi::ThreadState::kUnplaced, abi::Cause::kYielded)));
    CHECK(!fault.forgets(word(abi::ThreadState::kWaiting, abi::Cause::kWoken)));
    CHECK(!fault.forgets(woken));
    CHECK(fault.forgets(woken));
    CHECK(!fault.forgets(woken));
    CHECK(!Fault{FaultPlan{}}.forgets_wakes());
}
