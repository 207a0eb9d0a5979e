// SPDX-License-Identifier: MIT
#include "scenario_words.hpp"

#include "core/command_line.hpp"

#include <algorithm>

namespace sim {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view without_comment(std::string_view line) {
    for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
        if (at == 0 || kSpace.contains(line[at - 1])) {
            return line.substr(0, at);
        }
    }
    return line;
}

void skip_space(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
}

}  // namespace

Words::Words(std::string_view line, std::string place, std::uint32_t number)
    : rest_(without_comment(line)), place_(std::move(place)), number_(number) {
    skip_space(rest_);
}

std::string_view Words::take(std::string_view what) {
    if (rest_.empty()) {
        fail("something is missing: " + std::string(what));
    }
    const std::string_view word = rest_.substr(0, rest_.find_first_of(kSpace));
    rest_.remove_prefix(word.size());
    skip_space(rest_);
    return word;
}

std::uint64_t Words::number(std::string_view what, std::uint64_t least, std::uint64_t most) {
    const std::string_view word = take(what);
    const auto value = cox::core::parse_u64(word);
    if (!value || *value < least || *value > most) {
        fail(std::string(what) + " \"" + std::string(word) + "\" is not a number from " +
             std::to_string(least) + " to " + std::to_string(most));
    }
    return *value;
}

std::uint64_t Words::duration(std::string_view what) {
    const std::string_view word = take(what);
    const auto value = parse_duration(word);
    if (!value) {
        fail(std::string(what) + " \"" + std::string(word) + "\" is not a time like 10ms, 250us or 3s");
    }
    return *value;
}

Distribution Words::distribution(std::string_view what) {
    const std::string_view word = take(what);
    const auto value = Distribution::parse(word);
    if (!value) {
        fail(std::string(what) + " \"" + std::string(word) +
             "\" is none of 2ms, exp:2ms, uniform:1ms..5ms, mix:1ms,100ms,10%");
    }
    return *value;
}

std::uint64_t Words::cpus(std::uint32_t count) {
    const std::string_view list = take("cpus");
    std::uint64_t mask = 0;
    for (std::string_view rest = list; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        const std::size_t dash = part.find('-');
        const auto first = cox::core::parse_u64(part.substr(0, dash));
        const auto last =
            dash == std::string_view::npos ? first : cox::core::parse_u64(part.substr(dash + 1));
        const std::uint64_t limit = std::min<std::uint64_t>(count, 64);
        if (!first || !last || *first > *last || *last >= limit) {
            fail("cpus \"" + std::string(list) + "\" is not a list like 0,2-3 of CPUs below " +
                 std::to_string(limit));
        }
        for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) {
            mask |= std::uint64_t{1} << cpu;
        }
    }
    const std::uint64_t all = count >= 64 ? kAnywhere : (std::uint64_t{1} << count) - 1;
    return count <= 64 && mask == all ? kAnywhere : mask;
}

void Words::fail(const std::string& what) const { throw BadScenario(place_ + ": " + what); }

}  // namespace sim
