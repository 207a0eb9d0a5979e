// SPDX-License-Identifier: MIT
//
// What a scenario may say, and each error, with its line.
#include <catch2/catch.hpp>
#include <cmath>

#include "attributes.hpp"
#include "metrics.hpp"
#include "support.hpp"

using namespace test;

namespace {

std::string error(const std::string& text) {
    try {
        (void)scenario(text);
    } catch (const sim::BadScenario& bad) {
        return bad.what();
    }
    return "none";
}

std::string trace_error(const std::string& text) {
    try {
        (void)sim::parse_trace(text, "t");
    } catch (const sim::BadScenario& bad) {
        return bad.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("scenario: the machine") {
    const auto made = scenario("cpus 16 sockets 2 cores 4 threads 2\nthreads 1 run 1ms").cpus;
    REQUIRE(made.size() == 16);
    CHECK(made[0].core == made[1].core);
    CHECK(made[1].core != made[2].core);
    CHECK(made[7].node == 0);
    CHECK(made[8].node == 1);
    CHECK(made[8].cache == 1);
    CHECK(made[15].core == 7);
    CHECK(made[15].served);
    CHECK(scenario("cpus 16 sockets 2\nthreads 1 run 1ms").cpus[8].node == 1);
}

TEST_CASE("scenario: threads") {
    const auto made = scenario(
        "cpus 8   # a comment\n"
        "cost event 5us dispatch 0\n"
        "end 2s\n"
        "\n"
        "threads 100 run exp:2ms sleep uniform:1ms..5ms weight 50 until 10s\n"
        "threads 4 group 1 run 10ms barrier start 3ms times 2 cpus 0,2-3\n"
        "periodic 3 period 10ms budget 2ms priority 7 arrive 1ms\n");
    CHECK(made.costs.event_ns == 5'000);
    CHECK(made.costs.commit_ns == sim::Costs{}.commit_ns);
    CHECK(made.costs.dispatch_ns == 0);
    CHECK(made.end_ns == 2'000'000'000);
    REQUIRE(made.crews.size() == 3);
    CHECK(made.threads() == 107);
    const sim::Crew& first = made.crews[0];
    CHECK(first.run.kind == sim::Distribution::Kind::kExponential);
    CHECK(first.sleep.b == 5'000'000);
    CHECK(first.until == 10'000'000'000);
    CHECK(first.affinity == sim::kAnywhere);
    CHECK(sched::Attributes::of(first.label).weight == 50);
    CHECK(made.crews[1].barrier);
    CHECK(made.crews[1].affinity == 0b1101);
    CHECK(made.crews[1].times == 2);
    const auto label = sched::Attributes::of(made.crews[2].label);
    CHECK(label.priority == 7);
    CHECK(label.weight == 100);
    CHECK(label.period_ns == 10'000'000);
    CHECK(label.budget_ns == 2'000'000);
    CHECK(made.crews[2].run.a == 2'000'000);
}

TEST_CASE("scenario: every error names its line") {
    CHECK(error("threads 1 run 1ms") == "text line 1: a line `cpus` has to come first");
    CHECK(error("cpus 4\n\nflock 3") ==
          "text line 3: \"flock\" is none of cpus, cost, end, inversion, threads, periodic, server, trace");
    CHECK(error("cpus 0") == "text line 1: cpus \"0\" is not a number from 1 to 1024");
    CHECK(error("cpus 1025") == "text line 1: cpus \"1025\" is not a number from 1 to 1024");
    CHECK(error("cpus 4\ncpus 4") == "text line 2: a second line `cpus`");
    CHECK(error("cpus 4 sockets 3") == "text line 1: sockets * cores * threads is not 4");
    CHECK(error("cpus 4 nodes 3") ==
          "text line 1: \"nodes\" is none of sockets, cores (of a socket), threads (of a core)");
    CHECK(error("cpus 4\ncost sleep 1us") == "text line 2: \"sleep\" is none of event, commit, dispatch");
    CHECK(error("cpus 4\nend soon") == "text line 2: end \"soon\" is not a time like 10ms, 250us or 3s");
    CHECK(error("cpus 4\nend 1s 2s") == "text line 2: \"2s\" is too much");
    CHECK(error("cpus 4") == "text: no threads");
    CHECK(error("cpus 4\nthreads 2") == "text line 2: threads need run");
    CHECK(error("cpus 4\nthreads 2 run") == "text line 2: something is missing: run");
    CHECK(error("cpus 4\nthreads 2 run 5") ==
          "text line 2: run \"5\" is none of 2ms, exp:2ms, uniform:1ms..5ms, mix:1ms,100ms,10%");
    CHECK(error("cpus 4\nthreads 2 run uniform:5ms..1ms").find("text line 2: run ") == 0);
    CHECK(error("cpus 4\nthreads 2 run mix:5ms,1ms,101%").find("text line 2: run ") == 0);
    CHECK(error("cpus 4\nthreads 2 run 99999999999s").find("text line 2: run ") == 0);
    CHECK(error("cpus 4\nthreads 2 run 1ms cpus 3-4") ==
          "text line 2: cpus \"3-4\" is not a list like 0,2-3 of CPUs below 4");
    CHECK(error("cpus 4\nthreads 2 run 1ms sleep 1ms") ==
          "text line 2: these threads never end: they need times, until, or a line `end` before this one");
    CHECK(error("cpus 4\nthreads 2 run 1ms budget 1ms") ==
          "text line 2: \"budget\" is none of run, calls, then, start, cpus, priority, weight, group, times, "
          "until, arrive, sleep, barrier");
    CHECK(error("cpus 4\nperiodic 2 period 1ms until 1s") ==
          "text line 2: periodic threads need period and budget");
    CHECK(error("cpus 4\nthreads 2 run 1ms weight 0") ==
          "text line 2: weight \"0\" is not a number from 1 to 4095");
    CHECK(error("cpus 4\nthreads 600000 run 1ms\nthreads 400001 run 1ms") ==
          "text line 3: threads \"400001\" is not a number from 1 to 400000");
    CHECK(error("cpus 4\ntrace none.trace") == "cannot read none.trace");
    CHECK_THROWS_WITH(
        run(*sched::find_policy("fifo"), scenario("cpus 2\nthreads 2 run 1ms sleep 1ms barrier times 2"), 1),
        "text: a barrier goes with neither sleep nor arrive");
}

TEST_CASE("scenario: arrival traces") {
    const auto made = sim::parse_trace("0 3ms 1ms 2ms # first\n5us 1ms affinity=0x3 label=77\n", "t");
    REQUIRE(made.size() == 2);
    CHECK(made[0].phases == std::vector<std::uint64_t>{3'000'000, 1'000'000, 2'000'000});
    CHECK(made[0].affinity == sim::kAnywhere);
    CHECK(made[1].start_ns == 5'000);
    CHECK(made[1].affinity == 3);
    CHECK(made[1].label == 77);
    CHECK(trace_error("5ms 1ms\n4ms 1ms") ==
          "t line 2: a thread that comes before the one in the line above");
    CHECK(trace_error("5ms") == "t line 1: a thread that never runs, or nowhere");
    CHECK(trace_error("5ms 1ms affinity=0") == "t line 1: a thread that never runs, or nowhere");
    CHECK(trace_error("5ms never") == "t line 1: \"never\" is neither a time, nor affinity=, nor label=");
}

TEST_CASE("scenario: labels go there and back") {
    using sched::Attributes;
    const Attributes label{
        .priority = 3, .weight = 4095, .group = 9, .period_ns = 33'300'000, .budget_ns = 1'230'000};
    const Attributes back = Attributes::of(label.label());
    CHECK(back.priority == 3);
    CHECK(back.weight == 4095);
    CHECK(back.group == 9);
    CHECK(back.period_ns == 33'300'000);
    CHECK(back.budget_ns == 1'230'000);
    CHECK(Attributes::of(0).priority == 128);
    CHECK(Attributes::of(0).weight == 100);
    CHECK(Attributes{.weight = 9999}.label() >> 8 == 4095);
}

TEST_CASE("distributions have the means that they say") {
    sim::Random random(7);
    const auto mean = [&](const char* text) {
        const auto distribution = sim::Distribution::parse(text).value();
        double sum = 0;
        for (int i = 0; i < 100'000; ++i) {
            sum += static_cast<double>(distribution.sample(random));
        }
        return sum / 1e5 / 1e6;
    };
    CHECK(mean("2ms") == 2);
    CHECK(mean("exp:2ms") == Approx(2).epsilon(0.02));
    CHECK(mean("uniform:1ms..5ms") == Approx(3).epsilon(0.01));
    CHECK(mean("mix:1ms,101ms,10%") == Approx(11).epsilon(0.03));
    for (const double x : {1.0, 0.9999, 0.75, 0.7, 0.5, 0.1, 1e-9, 0x1p-53}) {
        CHECK(sim::minus_log(x) == Approx(-std::log(x)).margin(1e-12));
    }
}

TEST_CASE("percentiles are right to a 64th") {
    sim::Histogram histogram;
    CHECK(histogram.permille(500) == 0);
    for (std::uint64_t value = 1; value <= 100'000; ++value) {
        histogram.add(value * 1000);
    }
    CHECK(static_cast<double>(histogram.permille(500)) == Approx(50e6).epsilon(0.016));
    CHECK(static_cast<double>(histogram.permille(990)) == Approx(99e6).epsilon(0.016));
    CHECK(histogram.permille(1000) == 100'000'000);
    CHECK(histogram.most() == 100'000'000);
    sim::Histogram huge;
    huge.add(~std::uint64_t{0});
    CHECK(huge.permille(500) == ~std::uint64_t{0});
}
