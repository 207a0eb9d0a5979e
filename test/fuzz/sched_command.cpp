// SPDX-License-Identifier: MIT
//
// Commands to the scheduler server. What is accepted lies in the text, and written again it is read as the same; what is
// refused says why. Setting a policy's parameters sets all or none.
#include "command.hpp"

#include <memory>
#include <string>

#include "cap/format.hpp"
#include "fuzz.hpp"

namespace cox::fuzz {
namespace {

using sched::Command;

bool within(std::string_view part, std::string_view whole) {
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

std::string written(const Command& command) {
    constexpr std::string_view kVerbs[] = {"swap", "set", "statistics", "dump", "policies", "retire"};
    std::string text(kVerbs[static_cast<std::size_t>(command.kind)]);
    if (command.policy != nullptr) {
        text += " policy=" + std::string(command.policy->name);
    }
    for (const sched::Setting& setting : command.parameters()) {
        text += " \"" + std::string(setting.name) + "=" + std::string(setting.value) + "\"";
    }
    return text;
}

void check_setting(const Command& command) {
    const auto storage = std::make_unique<sched::PolicyStorage>();
    sched::Policy& policy = sched::known_policies().back().make(*storage);
    std::vector<std::uint64_t> before;
    for (const sched::Parameter& parameter : policy.parameters()) {
        before.push_back(*parameter.value);
    }
    cap::LineBuffer<200> line;
    const bool set = sched::set_all(policy, command.parameters(), line);
    FUZZ_CHECK(set == line.view().empty());
    std::size_t i = 0;
    for (const sched::Parameter& parameter : policy.parameters()) {
        FUZZ_CHECK(*parameter.value >= parameter.least && *parameter.value <= parameter.most);
        FUZZ_CHECK(set || *parameter.value == before[i]);
        ++i;
    }
}

bool check(Bytes input) {
    const std::string_view text = core::as_text(input);
    cap::LineBuffer<200> line;
    const auto command = sched::parse_command(text, line);
    FUZZ_CHECK(command.has_value() == line.view().empty());
    if (!command) {
        FUZZ_CHECK(line.view().starts_with("error: "));
        return false;
    }
    FUZZ_CHECK((command->policy != nullptr) == (command->kind == Command::Kind::kSwap));
    for (const sched::Setting& setting : command->parameters()) {
        FUZZ_CHECK(within(setting.name, text) && within(setting.value, text));
    }
    if (text.find('"') == std::string_view::npos) {
        const std::string again = written(*command);
        const auto same = sched::parse_command(again, line);
        FUZZ_CHECK(same && same->kind == command->kind && same->policy == command->policy);
        FUZZ_CHECK(same->setting_count == command->setting_count);
    }
    check_setting(*command);
    return true;
}

std::vector<ByteVector> seeds() {
    return {bytes_of("swap policy=round_robin slice_us=500"), bytes_of("set slice_us=700 slice_us=2K"),
            bytes_of("statistics"), bytes_of("retire")};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
