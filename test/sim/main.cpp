// SPDX-License-Identifier: MIT
//
// scripts/sim: simulates a policy under a scenario. Exit codes: 0 done, 1 an invariant is broken, 2 usage.
#include "cap/format.hpp"
#include "policy_seat.hpp"
#include "render.hpp"
#include "simulation.hpp"
#include "violation.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr int kExitBroken = 1;
constexpr int kExitUsage = 2;

struct Arguments {
    std::string policy = "round_robin";
    std::vector<std::string> settings;
    std::uint64_t seed = 1;
    bool json = false;
    bool list = false;
    std::string scenario;
};

int fail(const std::string& text) {
    std::fprintf(stderr, "sim: %s\n", text.c_str());
    return kExitUsage;
}

int simulate(const Arguments& arguments) {
    cap::LineBuffer<400> error;
    const sched::PolicyEntry* const entry = sched::find_policy(arguments.policy);
    if (entry == nullptr) {
        sched::print_unknown_policy(error, arguments.policy);
        return fail(std::string(error.view()));
    }
    std::vector<sched::Setting> settings;
    for (const std::string_view text : arguments.settings) {
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) {
            return fail("--set \"" + std::string(text) + "\" is not like slice_us=2000");
        }
        settings.push_back({text.substr(0, equals), text.substr(equals + 1)});
    }
    const sim::Scenario scenario = sim::read_scenario(arguments.scenario);
    const auto seat = std::make_unique<sched::PolicySeat>();
    sched::Policy* const policy = seat->prepare(*entry, settings, {scenario.cpus}, error);
    if (policy == nullptr) {
        return fail(std::string(error.view()));
    }
    const std::clock_t begin = std::clock();
    const sim::Result result = sim::simulate(*policy, scenario, arguments.seed);
    const double cpu_s = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    std::fputs((arguments.json ? sim::json(result, cpu_s) : sim::table(result, cpu_s)).c_str(), stdout);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("Simulates a scheduling policy under a scenario: docs/simulator.md", "scripts/sim");
    app.add_option("scenario", arguments.scenario, "The scenario, a file");
    app.add_option("--policy", arguments.policy, "Its name")->capture_default_str();
    app.add_option("--set", arguments.settings, "A parameter of the policy, NAME=VALUE; repeatable");
    app.add_option("--seed", arguments.seed, "Of all that is random")->capture_default_str();
    app.add_flag("--json", arguments.json, "For programs");
    app.add_flag("--list", arguments.list, "The policies that there are");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    if (arguments.list) {
        for (const sched::PolicyEntry& entry : sched::known_policies()) {
            std::printf("%.*s\n", static_cast<int>(entry.name.size()), entry.name.data());
        }
        return 0;
    }
    if (arguments.scenario.empty()) {
        return fail("which scenario? test/sim/scenarios has some");
    }
    try {
        return simulate(arguments);
    } catch (const sim::Violation& broken) {
        std::fprintf(stderr, "sim: an invariant is broken: policy %s: %s\n", arguments.policy.c_str(),
                     broken.what());
        return kExitBroken;
    } catch (const sim::BadScenario& bad) {
        return fail(bad.what());
    }
}
