// SPDX-License-Identifier: MIT
//
// scripts/sim: simulates a policy under a scenario, or replays a recording. Exit codes: 0 done, 1 an invariant is broken or
// a decision differs, 2 usage.
#include "cap/format.hpp"
#include "from_record.hpp"
#include "policy_seat.hpp"
#include "render.hpp"
#include "replay.hpp"
#include "simulation.hpp"
#include "violation.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cinttypes>
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
    std::string recording;
    std::string traced;
};

// As the server says it: without the word in front, if there is one.
int fail(std::string_view text) {
    text.remove_prefix(text.starts_with("error: ") ? 7 : 0);
    std::fprintf(stderr, "sim: %.*s\n", static_cast<int>(text.size()), text.data());
    return kExitUsage;
}

std::vector<sched::Setting> settings_of(const Arguments& arguments) {
    std::vector<sched::Setting> settings;
    for (const std::string_view text : arguments.settings) {
        const std::size_t equals = std::min(text.find('='), text.size());
        settings.push_back({text.substr(0, equals), text.substr(std::min(equals + 1, text.size()))});
    }
    return settings;
}

int simulate(const Arguments& arguments) {
    cap::LineBuffer<400> error;
    const sched::PolicyEntry* const entry = sched::find_policy(arguments.policy);
    if (entry == nullptr) {
        sched::print_unknown_policy(error, arguments.policy);
        return fail(error.view());
    }
    const auto settings = settings_of(arguments);
    const sim::Scenario scenario = sim::read_scenario(arguments.scenario);
    const auto seat = std::make_unique<sched::PolicySeat>();
    sched::Policy* const policy = seat->prepare(*entry, settings, {scenario.cpus}, error);
    if (policy == nullptr) {
        return fail(error.view());
    }
    const std::clock_t begin = std::clock();
    const sim::Result result = sim::simulate(*policy, scenario, arguments.seed);
    const double cpu_s = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    std::fputs((arguments.json ? sim::json(result, cpu_s) : sim::table(result, cpu_s)).c_str(), stdout);
    return 0;
}

int replay(const Arguments& arguments) {
    const sim::Recording recording = sim::read_recording(arguments.recording);
    const sim::Replay replay = sim::replay(recording, settings_of(arguments));
    if (replay.difference) {
        std::fprintf(stderr, "sim: policy %s decides otherwise than recorded: %s\n", replay.policy.c_str(),
                     replay.difference->c_str());
        return kExitBroken;
    }
    std::printf("replay: policy %s: %" PRIu64 " entries, %" PRIu64 " decisions agree, %" PRIu64
                " threads picked; %" PRIu64 " entries were not kept\n",
                replay.policy.c_str(), replay.calls, replay.decisions, replay.picks, recording.not_kept);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("Simulates a scheduling policy under a scenario: docs/simulator.md", "scripts/sim");
    app.add_option("scenario", arguments.scenario, "The scenario, a file");
    app.add_option("--policy", arguments.policy, "Its name")->capture_default_str();
    app.add_option("--set", arguments.settings, "A parameter of the policy, NAME=VALUE; repeatable")
        ->allow_extra_args(false);
    app.add_option("--seed", arguments.seed, "Of all that is random")->capture_default_str();
    app.add_option("--replay", arguments.recording, "A recording: does the policy decide as it did then?");
    app.add_option("--from-record", arguments.traced, "A recording: print it as an arrival trace");
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
    if (arguments.scenario.empty() + arguments.recording.empty() + arguments.traced.empty() != 2) {
        return fail("one of these: a scenario (test/sim/scenarios has some), --replay, --from-record");
    }
    try {
        if (!arguments.traced.empty()) {
            std::fputs(sim::trace_text(sim::threads_of(sim::read_recording(arguments.traced))).c_str(),
                       stdout);
            return 0;
        }
        return arguments.recording.empty() ? simulate(arguments) : replay(arguments);
    } catch (const sim::Violation& broken) {
        std::fprintf(stderr, "sim: an invariant is broken: policy %s: %s\n", arguments.policy.c_str(),
                     broken.what());
        return kExitBroken;
    } catch (const std::runtime_error& bad) {  // BadScenario, BadRecording
        return fail(bad.what());
    }
}
