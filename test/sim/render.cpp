// SPDX-License-Identifier: MIT
#include "render.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace sim {
namespace {

// 1.234 ms; three digits behind the point of the unit that suits.
std::string time(std::uint64_t ns) {
    constexpr struct {
        std::uint64_t ns;
        const char* name;
    } kUnits[] = {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}};
    char text[40];
    for (const auto& unit : kUnits) {
        if (ns >= unit.ns) {
            std::snprintf(text, sizeof text, "%.3f %s",
                          static_cast<double>(ns) / static_cast<double>(unit.ns), unit.name);
            return text;
        }
    }
    return std::to_string(ns) + " ns";
}

std::string decimal(double value, int digits) {
    char text[40];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

double per_second(std::uint64_t count, double cpu_s) {
    return cpu_s > 0 ? static_cast<double>(count) / cpu_s : 0;
}

std::string text(const Latency& of, const std::string& what) {
    return "p50 " + time(of.p50) + ", p90 " + time(of.p90) + ", p99 " + time(of.p99) + ", max " +
           time(of.most) + " (" + std::to_string(of.count) + " " + what + ")";
}

nlohmann::ordered_json json(const Latency& of) {
    return {{"count", of.count}, {"p50", of.p50}, {"p90", of.p90}, {"p99", of.p99}, {"max", of.most}};
}

class Lines {
public:
    void add(const std::string& name, const std::string& value) {
        char line[200];
        std::snprintf(line, sizeof line, "  %-26s%s\n", name.c_str(), value.c_str());
        text_ += line;
    }
    std::string text_;
};

}  // namespace

std::string table(const Result& r, double cpu_s) {
    Lines lines;
    lines.text_ = r.scenario + ": policy " + r.policy + ", " + std::to_string(r.cpus) + " CPUs, " +
                  std::to_string(r.threads) + " threads, seed " + std::to_string(r.seed) + "\n\n";
    if (r.unfinished != 0) {
        lines.add("ended",
                  time(r.makespan_ns) + ", with " + std::to_string(r.unfinished) + " threads unfinished");
    } else {
        lines.add("makespan", time(r.makespan_ns));
        lines.add("bound", time(r.bound_ns) + " (makespan / bound " +
                               decimal(static_cast<double>(r.makespan_ns) /
                                           static_cast<double>(std::max<std::uint64_t>(1, r.bound_ns)),
                                       3) +
                               ")");
    }
    const double room = static_cast<double>(r.makespan_ns) * r.cpus;
    lines.add("CPUs in use",
              decimal(room > 0 ? 100 * static_cast<double>(r.service_ns) / room : 0, 1) + " %");
    lines.add("wake to run", text(r.wake, "wakes"));
    lines.add("longest wait", time(r.longest_wait_ns));
    lines.add("fairness (Jain)", decimal(r.fairness, 4));
    lines.add("migrations", std::to_string(r.migrations) + ", " + std::to_string(r.node_migrations) +
                                " of them to another node");
    lines.add("idle beside work", time(r.idle_with_work_ns) + " of all CPUs");
    for (const CallTimes& calls : r.calls) {
        lines.add("call to reply, line " + std::to_string(calls.line), text(calls.time, "calls"));
    }
    if (!r.calls.empty()) {
        lines.add("longest inversion", time(r.longest_inversion_ns));
    }
    if (r.jobs != 0) {
        lines.add("deadlines missed", std::to_string(r.deadline_misses) + " of " + std::to_string(r.jobs));
    }
    lines.add("dispatches", std::to_string(r.dispatches) + ", " + std::to_string(r.preemptions) +
                                " preemptions, " + std::to_string(r.refusals) + " refused commits, " +
                                std::to_string(r.ticks) + " ticks");
    for (const auto& [name, value] : r.policy_numbers) {
        lines.add(r.policy + ": " + name, std::to_string(value));
    }
    char hash[20];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(r.hash));
    lines.add("hash", hash);
    lines.add("decisions",
              std::to_string(r.decisions) + ", " + decimal(per_second(r.decisions, cpu_s) / 1e6, 2) +
                  " million a second of CPU time (" + decimal(cpu_s, 2) + " s), every step checked");
    return lines.text_;
}

std::string json(const Result& r, double cpu_s) {
    nlohmann::ordered_json numbers = nlohmann::ordered_json::object();
    for (const auto& [name, value] : r.policy_numbers) {
        numbers[name] = value;
    }
    nlohmann::ordered_json calls = nlohmann::ordered_json::array();
    for (const CallTimes& each : r.calls) {
        calls.push_back(json(each.time));
        calls.back()["line"] = each.line;
    }
    const nlohmann::ordered_json all{{"scenario", r.scenario},
                                     {"policy", r.policy},
                                     {"seed", r.seed},
                                     {"cpus", r.cpus},
                                     {"threads", r.threads},
                                     {"unfinished", r.unfinished},
                                     {"makespan_ns", r.makespan_ns},
                                     {"bound_ns", r.bound_ns},
                                     {"service_ns", r.service_ns},
                                     {"wake_to_run_ns", json(r.wake)},
                                     {"call_to_reply_ns", calls},
                                     {"longest_inversion_ns", r.longest_inversion_ns},
                                     {"longest_wait_ns", r.longest_wait_ns},
                                     {"fairness", r.fairness},
                                     {"migrations", r.migrations},
                                     {"node_migrations", r.node_migrations},
                                     {"idle_with_work_ns", r.idle_with_work_ns},
                                     {"jobs", r.jobs},
                                     {"deadline_misses", r.deadline_misses},
                                     {"dispatches", r.dispatches},
                                     {"preemptions", r.preemptions},
                                     {"refusals", r.refusals},
                                     {"ticks", r.ticks},
                                     {"steps", r.steps},
                                     {"hash", r.hash},
                                     {"policy_numbers", numbers},
                                     {"decisions", r.decisions},
                                     {"cpu_s", cpu_s},
                                     {"decisions_per_s", per_second(r.decisions, cpu_s)}};
    return all.dump(2) + "\n";
}

}  // namespace sim
