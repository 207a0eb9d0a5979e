// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "core/command_line.hpp"
#include "recording.hpp"

namespace sched {
namespace {

bool set_option(Options& options, std::string_view key, std::string_view value, cap::LineWriter& error) {
    if (key == "policy") {
        options.policy = find_policy(value);
        if (options.policy == nullptr) {
            print_unknown_policy(error, value);
        }
        return options.policy != nullptr;
    }
    if (key == "cpus") {
        const auto mask = cox::core::parse_u64(value);
        options.cpus = mask.value_or(0);
        if (options.cpus == 0) {
            error.print("error: cpus \"{}\" is not a mask of CPUs, like 0x3", value);
        }
        return options.cpus != 0;
    }
    if (key == "fault") {
        const auto plan = parse_fault(value);
        if (!plan) {
            error.print("error: fault \"{}\" unknown; known: ignore exit_after=N drop_wake=N", value);
            return false;
        }
        options.fault = *plan;
        return true;
    }
    if (key == "agents") {
        options.central = value == "central";
        if (!options.central && value != "per_cpu") {
            error.print("error: agents \"{}\" unknown; known: per_cpu central", value);
            return false;
        }
        return true;
    }
    if (key == "record") {
        const auto pages = cox::core::parse_u64(value);
        options.record_pages = static_cast<std::uint32_t>(pages.value_or(1));
        const bool good = pages && (*pages == 0 || (*pages >= 2 && *pages <= kMostRecordPages));
        if (!good) {
            error.print("error: record \"{}\" is not a number of pages, 0 or from 2 to {}", value,
                        kMostRecordPages);
        }
        return good;
    }
    if (options.setting_count == options.settings.size()) {
        error.print("error: more than {} parameters", options.settings.size());
        return false;
    }
    options.settings[options.setting_count++] = {key, value};
    return true;
}

}  // namespace

std::optional<Options> parse_options(std::string_view arguments, cap::LineWriter& error) {
    Options options;
    options.policy = find_policy("round_robin");
    bool good = true;
    cox::core::CommandLine(arguments).for_each([&](const cox::core::CommandLineOption& option) {
        good = good && set_option(options, option.key, option.value, error);
    });
    return good ? std::optional(options) : std::nullopt;
}

}  // namespace sched
