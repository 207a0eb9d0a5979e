// SPDX-License-Identifier: MIT
#include "root/manifest_values.hpp"

#include "core/command_line.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cox::manifest {

namespace {

constexpr std::pair<std::string_view, abi::Rights> kRights[] = {{"read", abi::kRead},
                                                                {"write", abi::kWrite},
                                                                {"execute", abi::kExecute},
                                                                {"manage", abi::kManage},
                                                                {"grant", abi::kGrant}};

constexpr std::uint64_t kMaxMemory = std::uint64_t{1} << 40;

abi::Rights right_named(std::string_view word) {
    for (const auto& [name, right] : kRights) {
        if (name == word) {
            return right;
        }
    }
    return 0;
}

// Cuts off what stands before `separator`, and the separator itself.
std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t length = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    return part;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

}  // namespace

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::string_view take_word(std::string_view& rest) {
    rest = trim(rest);
    std::size_t length = 0;
    while (length < rest.size() && !is_space(rest[length])) {
        ++length;
    }
    const std::string_view word = rest.substr(0, length);
    rest.remove_prefix(length);
    return word;
}

bool is_name(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    };
    return !text.empty() && text.size() <= kMaxName && std::all_of(text.begin(), text.end(), allowed) &&
           right_named(text) == 0;
}

bool read_number(std::string_view text, std::uint64_t low, std::uint64_t high, std::uint64_t& out) {
    const auto number = core::parse_u64(text);
    if (!number || *number < low || *number > high) {
        return false;
    }
    out = *number;
    return true;
}

bool read_quota(std::string_view text, Allowance& out) {
    const std::string_view memory = take_word(text);
    const std::string_view threads = take_word(text);
    Allowance quota;
    if (!trim(text).empty() || !read_number(memory, 1, kMaxMemory, quota.memory) ||
        !read_number(threads, 1, abi::kMaxThreads, quota.threads)) {
        return false;
    }
    out = quota;
    return true;
}

bool read_choice(std::string_view text, std::string_view yes, std::string_view no, bool& out) {
    if (text != yes && text != no) {
        return false;
    }
    out = text == yes;
    return true;
}

bool read_cpus(std::string_view text, std::uint64_t& out) {
    if (text == "all") {
        out = 0;
        return true;
    }
    std::uint64_t mask = 0;
    do {
        std::string_view range = take_until(text, ',');
        std::uint64_t first = 0;
        const std::string_view begin = take_until(range, '-');
        if (!read_number(begin, 0, abi::kMaxCpus - 1, first)) {
            return false;
        }
        std::uint64_t last = first;
        if (!range.empty() && !read_number(range, first, abi::kMaxCpus - 1, last)) {
            return false;
        }
        for (std::uint64_t cpu = first; cpu <= last; ++cpu) {
            mask |= std::uint64_t{1} << cpu;
        }
    } while (!text.empty());
    out = mask;
    return true;
}

bool read_word(std::string_view text, std::string_view& out) {
    std::string_view rest = text;
    const std::string_view word = take_word(rest);
    if (word.empty() || !trim(rest).empty()) {
        return false;
    }
    out = word;
    return true;
}

bool read_grant(std::string_view text, std::string_view name, Grant& out) {
    std::string_view rest = text;
    std::string_view word = take_word(rest);
    std::string_view object = name;
    if (right_named(word) == 0) {
        object = word;
        word = take_word(rest);
    }
    abi::Rights rights = 0;
    for (; !word.empty(); word = take_word(rest)) {
        const abi::Rights right = right_named(word);
        if (right == 0 || (rights & right) != 0) {
            return false;
        }
        rights |= right;
    }
    if (rights == 0 || !is_name(name) || !is_name(object)) {
        return false;
    }
    out.name = name;
    out.object = object;
    out.rights = rights;
    return true;
}

}  // namespace cox::manifest
