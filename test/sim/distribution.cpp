// SPDX-License-Identifier: MIT
#include "distribution.hpp"

#include "core/command_line.hpp"

#include <array>
#include <utility>

namespace sim {
namespace {

// Removes `prefix` from the text, if it is there.
bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) {
        return false;
    }
    text.remove_prefix(prefix.size());
    return true;
}

// Removes what stands before the separator, and the separator; nothing if there is none.
std::optional<std::string_view> take_until(std::string_view& text, std::string_view separator) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view before = text.substr(0, at);
    text.remove_prefix(at + separator.size());
    return before;
}

}  // namespace

std::optional<std::uint64_t> parse_duration(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits{
        {{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}}};
    if (text == "0") {
        return 0;
    }
    for (const auto& [unit, ns] : kUnits) {
        if (text.ends_with(unit)) {
            const auto count = cox::core::parse_u64(text.substr(0, text.size() - unit.size()));
            constexpr std::uint64_t kMost = std::uint64_t{1} << 53;  // a hundred days
            return count && *count <= kMost / ns ? std::optional(*count * ns) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::uint64_t Distribution::sample(Random& random) const {
    switch (kind) {
        case Kind::kFixed: return a;
        case Kind::kExponential:
            return static_cast<std::uint64_t>(minus_log(random.unit()) * static_cast<double>(a));
        case Kind::kUniform: return a + random.below(b - a + 1);
        case Kind::kMix: return random.below(100) < percent ? b : a;
    }
    return a;
}

std::optional<Distribution> Distribution::parse(std::string_view text) {
    Distribution made;
    std::optional<std::uint64_t> second = 0;
    std::optional<std::uint64_t> percent = 0;
    std::optional<std::string_view> first;
    if (take(text, "uniform:")) {
        made.kind = Kind::kUniform;
        first = take_until(text, "..");
        second = parse_duration(text);
    } else if (take(text, "mix:")) {
        made.kind = Kind::kMix;
        first = take_until(text, ",");
        const auto other = take_until(text, ",");
        second = other ? parse_duration(*other) : std::nullopt;
        const auto share = cox::core::parse_u64(text.substr(0, text.find('%')));
        percent = text.ends_with('%') && share ? std::optional(*share) : std::nullopt;
    } else {
        made.kind = take(text, "exp:") ? Kind::kExponential : Kind::kFixed;
        first = text;
    }
    const auto value = first ? parse_duration(*first) : std::nullopt;
    if (!value || !second || !percent || *percent > 100 ||
        (made.kind == Kind::kUniform && *second < *value)) {
        return std::nullopt;
    }
    made.a = *value;
    made.b = *second;
    made.percent = *percent;
    return made;
}

}  // namespace sim
