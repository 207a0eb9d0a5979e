// SPDX-License-Identifier: MIT
#include "scenario.hpp"

#include "attributes.hpp"
#include "core/command_line.hpp"
#include "scenario_words.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

namespace sim {
namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw BadScenario("cannot read " + path);
    }
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

class Parser {
public:
    Parser(std::string name, std::string folder) : folder_(std::move(folder)) {
        scenario_.name = std::move(name);
    }

    void line(Words& words) {
        const std::string_view what = words.take("");
        if (what == "cpus") {
            machine(words);
        } else if (what == "cost") {
            costs(words);
        } else if (what == "end") {
            scenario_.end_ns = words.duration("end");
        } else if (what == "inversion") {
            scenario_.inversion_ns = words.duration("inversion");
        } else if (what == "threads" || what == "periodic" || what == "trace" || what == "server") {
            if (scenario_.cpus.empty()) {
                words.fail("a line `cpus` has to come first");
            }
            crew(words, what);
        } else {
            words.fail("\"" + std::string(what) +
                       "\" is none of cpus, cost, end, inversion, threads, periodic, server, trace");
        }
        if (!words.empty()) {
            words.fail("\"" + std::string(words.take("")) + "\" is too much");
        }
    }

    Scenario finish() {
        if (std::ranges::all_of(scenario_.crews, [](const Crew& crew) { return !crew.serves.empty(); })) {
            throw BadScenario(scenario_.name +
                              (scenario_.crews.empty() ? ": no threads" : ": no threads but servers"));
        }
        return std::move(scenario_);
    }

private:
    void machine(Words& words) {
        if (!scenario_.cpus.empty()) {
            words.fail("a second line `cpus`");
        }
        const auto count = static_cast<std::uint32_t>(words.number("cpus", 1, sched::kPolicyCpus));
        std::uint64_t sockets = 1;
        std::uint64_t threads = 1;
        std::uint64_t cores = 0;
        while (!words.empty()) {
            const std::string_view key = words.take("");
            std::uint64_t* const value = key == "sockets"   ? &sockets
                                         : key == "cores"   ? &cores
                                         : key == "threads" ? &threads
                                                            : nullptr;
            if (value == nullptr) {
                words.fail("\"" + std::string(key) +
                           "\" is none of sockets, cores (of a socket), threads (of a core)");
            }
            *value = words.number(key, 1, count);
        }
        cores = cores != 0 ? cores : count / (sockets * threads);
        if (sockets * cores * threads != count) {
            words.fail("sockets * cores * threads is not " + std::to_string(count));
        }
        for (std::uint64_t cpu = 0; cpu < count; ++cpu) {
            const auto socket = static_cast<std::uint16_t>(cpu / (cores * threads));
            scenario_.cpus.push_back({.core = static_cast<std::uint16_t>(cpu / threads),
                                      .cache = socket,
                                      .node = socket,
                                      .served = true});
        }
    }

    void costs(Words& words) {
        while (!words.empty()) {
            const std::string_view key = words.take("");
            std::uint64_t* const value = key == "event"      ? &scenario_.costs.event_ns
                                         : key == "commit"   ? &scenario_.costs.commit_ns
                                         : key == "dispatch" ? &scenario_.costs.dispatch_ns
                                                             : nullptr;
            if (value == nullptr) {
                words.fail("\"" + std::string(key) + "\" is none of event, commit, dispatch");
            }
            *value = words.duration(key);
        }
    }

    void crew(Words& words, std::string_view what) {
        Crew crew;
        crew.line = words.line();
        sched::Attributes label;
        const std::uint64_t room = kMostThreads - scenario_.threads();
        if (what == "trace") {
            trace(words, crew);
        } else {
            if (what == "server") {
                crew.serves = new_name(words);
            }
            crew.count = static_cast<std::uint32_t>(words.number(what, 1, room));
        }
        bool has_run = false;
        while (!words.empty()) {
            has_run |= keyword(words, what, crew, label);
        }
        if (what == "trace") {
            scenario_.crews.push_back(std::move(crew));
            return;
        }
        crew.label = label.label();
        finish_crew(words, what, crew, label, has_run);
        scenario_.crews.push_back(std::move(crew));
    }

    std::string new_name(Words& words) const {
        std::string name(words.take("the name of the server"));
        if (cox::core::parse_u64(name)) {
            words.fail("server \"" + name + "\" is not a name, but a number");
        }
        if (server_called(name) != kNobody) {
            words.fail("a second server \"" + name + "\"");
        }
        return name;
    }

    // The line of servers with that name; kNobody: there is none yet.
    [[nodiscard]] std::uint32_t server_called(std::string_view name) const {
        const auto found = std::ranges::find(scenario_.crews, name, &Crew::serves);
        return found != scenario_.crews.end() ? static_cast<std::uint32_t>(found - scenario_.crews.begin())
                                              : kNobody;
    }

    void trace(Words& words, Crew& crew) {
        const std::string file(words.take("the file of the trace"));
        const std::string path = folder_.empty() || file.starts_with('/') ? file : folder_ + "/" + file;
        crew.trace = parse_trace(contents(path), file);
        if (crew.trace.empty() || crew.trace.size() > kMostThreads - scenario_.threads()) {
            words.fail("trace " + file + " has no threads, or too many");
        }
        crew.count = static_cast<std::uint32_t>(crew.trace.size());
    }

    // True if it was `run`.
    bool keyword(Words& words, std::string_view what, Crew& crew, sched::Attributes& label) {
        const std::string_view key = words.take("");
        const bool periodic = what == "periodic", server = what == "server", plain = what == "threads";
        if (what == "trace") {
            words.fail("\"" + std::string(key) + "\" is too much");
        } else if (key == "start") {
            crew.start_ns = words.duration(key);
        } else if (key == "arrive" && !server) {
            crew.arrive = words.distribution(key);
        } else if (key == "run") {
            crew.run = words.distribution(key);
            return true;
        } else if (key == "calls") {
            called(words, crew);
        } else if (key == "then") {
            crew.then = words.distribution(key);
            then_ = true;
        } else if (key == "times" && !server) {
            crew.times = words.number(key, 1, kForever);
        } else if (key == "until" && !server) {
            crew.until = words.duration(key);
        } else if (key == "sleep" && plain) {
            crew.sleep = words.distribution(key);
            crew.sleeps = true;
        } else if (key == "barrier" && plain) {
            crew.barrier = true;
        } else if (key == "period" && periodic) {
            crew.period_ns = label.period_ns = words.duration(key);
        } else if (key == "budget" && periodic) {
            label.budget_ns = words.duration(key);
        } else if (key == "cpus") {
            crew.affinity = words.cpus(static_cast<std::uint32_t>(scenario_.cpus.size()));
        } else if (key == "priority") {
            label.priority = static_cast<std::uint32_t>(words.number(key, 1, 255));
        } else if (key == "weight") {
            label.weight = static_cast<std::uint32_t>(words.number(key, 1, 4095));
        } else if (key == "group") {
            label.group = static_cast<std::uint32_t>(words.number(key, 1, 4095));
        } else {
            words.fail("\"" + std::string(key) +
                       "\" is none of run, calls, then, start, cpus, priority, weight, group" +
                       (server ? "" : ", times, until, arrive") +
                       (periodic ? ", period, budget"
                        : plain  ? ", sleep, barrier"
                                 : ""));
        }
        return false;
    }

    void called(Words& words, Crew& crew) {
        const std::string_view name = words.take("the name of a server");
        crew.calls = server_called(name);
        if (crew.calls == kNobody) {
            words.fail("calls \"" + std::string(name) + "\", which is no server of a line above");
        }
        scenario_.has_calls = true;
    }

    void finish_crew(Words& words, std::string_view what, Crew& crew, const sched::Attributes& label,
                     bool has_run) {
        if (std::exchange(then_, false) && crew.calls == kNobody) {
            words.fail("then is what comes after the reply: it needs calls");
        }
        if (what == "periodic") {
            if (crew.period_ns == 0 || label.budget_ns == 0) {
                words.fail("periodic threads need period and budget");
            }
            if (!has_run) {
                crew.run = {.a = label.budget_ns};
            }
        } else if (!has_run) {
            words.fail(std::string(what) + (what == "server" ? " needs run" : " need run"));
        }
        if (what == "server") {
            return;
        }
        const bool again = crew.sleeps || crew.barrier || crew.period_ns != 0;
        if (crew.times == 0 && crew.until == kForever && !again) {
            crew.times = 1;
        }
        if (crew.times == 0 && crew.until == kForever && scenario_.end_ns == kForever) {
            words.fail("these threads never end: they need times, until, or a line `end` before this one");
        }
    }

    std::string folder_;
    Scenario scenario_;
    bool then_ = false;  // in this line
};

}  // namespace

Scenario parse_scenario(std::string_view text, const std::string& name, const std::string& folder) {
    Parser parser(name, folder);
    for_each_line(text, name, [&](Words& words) { parser.line(words); });
    return parser.finish();
}

Scenario read_scenario(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return parse_scenario(contents(path), path, slash != std::string::npos ? path.substr(0, slash) : "");
}

std::vector<TraceThread> parse_trace(std::string_view text, const std::string& name) {
    std::vector<TraceThread> threads;
    for_each_line(text, name, [&](Words& words) {
        TraceThread thread;
        thread.start_ns = words.duration("when the thread comes");
        while (!words.empty()) {
            const std::string_view word = words.take("");
            const auto number = [&](std::string_view key) {
                Words value(word.substr(key.size()), name);
                return value.number(key, 0, kForever);
            };
            if (word.starts_with("affinity=")) {
                thread.affinity = number("affinity=");
            } else if (word.starts_with("label=")) {
                thread.label = number("label=");
            } else if (const auto time = parse_duration(word)) {
                thread.phases.push_back(*time);
            } else {
                words.fail("\"" + std::string(word) + "\" is neither a time, nor affinity=, nor label=");
            }
        }
        if (thread.phases.empty() || thread.affinity == 0) {
            words.fail("a thread that never runs, or nowhere");
        }
        if (!threads.empty() && thread.start_ns < threads.back().start_ns) {
            words.fail("a thread that comes before the one in the line above");
        }
        threads.push_back(std::move(thread));
    });
    return threads;
}

}  // namespace sim
