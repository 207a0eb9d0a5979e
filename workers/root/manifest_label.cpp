// SPDX-License-Identifier: MIT
//
// The value of `label`: attributes for the policy, "priority:200 period_us:10000 budget_us:2000".
#include "abi/sched_label.hpp"
#include "root/manifest_values.hpp"

namespace cox::manifest {

namespace {

using abi::SchedLabel;

struct Attribute {
    std::string_view name;
    std::uint32_t SchedLabel::* field;
    std::uint64_t most;
};

constexpr Attribute kAttributes[] = {
    {"priority", &SchedLabel::priority, SchedLabel::kMaxPriority},
    {"weight", &SchedLabel::weight, SchedLabel::kMaxWeight},
    {"group", &SchedLabel::group, SchedLabel::kMaxGroup},
    {"period_us", &SchedLabel::period_us, SchedLabel::kMaxPeriodUs},
    {"budget_us", &SchedLabel::budget_us, SchedLabel::kMaxBudgetUs},
};

// One word, for an attribute that has no value yet.
bool read_attribute(std::string_view word, SchedLabel& label) {
    const std::size_t colon = word.find(':');
    if (colon == std::string_view::npos) {
        return false;
    }
    for (const Attribute& attribute : kAttributes) {
        if (attribute.name == word.substr(0, colon)) {
            std::uint64_t value = 0;
            std::uint32_t& field = label.*attribute.field;
            if (field != 0 || !read_number(after(word, colon + 1), 1, attribute.most, value)) {
                return false;
            }
            field = static_cast<std::uint32_t>(value);
            return true;
        }
    }
    return false;
}

}  // namespace

bool read_label(std::string_view text, std::uint64_t& out) {
    SchedLabel label;
    std::string_view rest = text;
    std::string_view word = take_word(rest);
    if (word.empty()) {
        return false;
    }
    for (; !word.empty(); word = take_word(rest)) {
        if (!read_attribute(word, label)) {
            return false;
        }
    }
    if (!label.fits()) {
        return false;
    }
    out = label.pack();
    return true;
}

}  // namespace cox::manifest
