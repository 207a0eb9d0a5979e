// SPDX-License-Identifier: MIT
#include "command.hpp"

#include "cap/format.hpp"
#include "core/command_line.hpp"

#include <algorithm>
#include <utility>

namespace sched {
namespace {

using Kind = Command::Kind;

constexpr std::pair<std::string_view, Kind> kVerbs[] = {
    {"swap", Kind::kSwap}, {"set", Kind::kSet},           {"statistics", Kind::kStatistics},
    {"dump", Kind::kDump}, {"policies", Kind::kPolicies}, {"retire", Kind::kRetire},
};

bool take_verb(Command& command, const cox::core::CommandLineOption& word, cap::LineWriter& error) {
    for (const auto& [name, kind] : kVerbs) {
        if (word.key == name && word.value.empty()) {
            command.kind = kind;
            return true;
        }
    }
    error.print("error: command \"{}\" unknown; known:", word.key);
    for (const auto& [name, kind] : kVerbs) {
        error.print(" {}", name);
    }
    return false;
}

bool take_word(Command& command, const cox::core::CommandLineOption& word, cap::LineWriter& error) {
    if (command.kind != Kind::kSwap && command.kind != Kind::kSet) {
        const auto* const verb =
            std::ranges::find(kVerbs, command.kind, &std::pair<std::string_view, Kind>::second);
        error.print("error: command {} takes no more words", verb->first);
        return false;
    }
    if (command.kind == Kind::kSwap && word.key == "policy") {
        command.policy = find_policy(word.value);
        if (command.policy == nullptr) {
            print_unknown_policy(error, word.value);
        }
        return command.policy != nullptr;
    }
    if (command.setting_count == command.settings.size()) {
        error.print("error: more than {} parameters", command.settings.size());
        return false;
    }
    command.settings[command.setting_count++] = {word.key, word.value};
    return true;
}

bool is_complete(const Command& command, cap::LineWriter& error) {
    if (command.kind == Kind::kSwap && command.policy == nullptr) {
        error.append("error: swap needs policy=NAME");
        return false;
    }
    if (command.kind == Kind::kSet && command.setting_count == 0) {
        error.append("error: set needs PARAMETER=VALUE");
        return false;
    }
    return true;
}

}  // namespace

std::optional<Command> parse_command(std::string_view text, cap::LineWriter& error) {
    Command command;
    bool begun = false;
    bool good = true;
    cox::core::CommandLine(text).for_each([&](const cox::core::CommandLineOption& word) {
        if (good) {
            good = begun ? take_word(command, word, error) : take_verb(command, word, error);
            begun = true;
        }
    });
    if (!begun) {
        good = take_verb(command, {}, error);
    }
    return good && is_complete(command, error) ? std::optional(command) : std::nullopt;
}

bool set_all(Policy& policy, std::span<const Setting> settings, cap::LineWriter& line) {
    const std::span<const Parameter> known = policy.parameters();
    std::array<std::uint64_t, std::tuple_size_v<decltype(Command::settings)>> before{};
    const auto value_of = [&](const Setting& setting) -> std::uint64_t* {
        const auto found = std::ranges::find(known, setting.name, &Parameter::name);
        return found != known.end() ? found->value : nullptr;
    };
    for (std::size_t i = 0; i < settings.size(); ++i) {
        const std::uint64_t* const value = value_of(settings[i]);
        before[i] = value != nullptr ? *value : 0;
        if (set_parameter(policy.name(), known, settings[i].name, settings[i].value, line)) {
            continue;
        }
        while (i-- != 0) {
            *value_of(settings[i]) = before[i];
        }
        return false;
    }
    return true;
}

}  // namespace sched
