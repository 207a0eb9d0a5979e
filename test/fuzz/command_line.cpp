// SPDX-License-Identifier: MIT
//
// Command lines and the numbers in them. Options written again, quoted, are read as the same; find() agrees with
// for_each(); a number agrees with one that is computed in 128 bits.
#include "core/command_line.hpp"

#include <string>

#include "fuzz.hpp"

namespace cox::fuzz {
namespace {

using core::CommandLine;
using core::CommandLineOption;
using Wide = unsigned __int128;

std::vector<CommandLineOption> options_of(std::string_view text) {
    std::vector<CommandLineOption> all;
    CommandLine(text).for_each([&](const CommandLineOption& option) { all.push_back(option); });
    return all;
}

// A second opinion on numbers; nullopt: not one that fits into 64 bits.
std::optional<std::uint64_t> reference(std::string_view text) {
    std::string digits(text);
    const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
    digits.erase(0, hex ? 2 : 0);
    Wide unit = 1;
    const std::string_view suffixes = "kKmMgG";
    if (!digits.empty()) {
        if (const auto which = suffixes.find(digits.back()); which != std::string_view::npos) {
            unit = Wide{1} << (which / 2 + 1) * 10;
            digits.pop_back();
        }
    }
    if (digits.empty()) {
        return std::nullopt;
    }
    Wide value = 0;
    for (const char c : digits) {
        const std::string_view alphabet = "0123456789abcdefABCDEF";
        const auto place = alphabet.find(c);
        if (place == std::string_view::npos || (!hex && place > 9)) {
            return std::nullopt;
        }
        value = value * (hex ? 16 : 10) + (place > 15 ? place - 6 : place);
        if (value >> 64 != 0) {
            // Too large already, unless the rest is no number at all; either way there is none.
            return std::nullopt;
        }
    }
    value *= unit;
    return value >> 64 != 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(value));
}

bool plain(std::string_view text) { return text.find('"') == std::string_view::npos; }

bool check(Bytes input) {
    const std::string_view text = core::as_text(input);
    const auto number = core::parse_u64(text);
    FUZZ_CHECK((number ? std::optional(*number) : std::nullopt) == reference(text));

    const auto options = options_of(text);
    std::string again;
    bool rewritable = true;
    for (const CommandLineOption& option : options) {
        FUZZ_CHECK(lies_in(std::as_bytes(std::span(option.key)), input));
        FUZZ_CHECK(lies_in(std::as_bytes(std::span(option.value)), input));
        FUZZ_CHECK(option.key.find('=') == std::string_view::npos);
        std::string_view last;
        for (const CommandLineOption& other : options) {
            last = other.key == option.key ? other.value : last;
        }
        FUZZ_CHECK(CommandLine(text).find(option.key) == last);
        rewritable = rewritable && plain(option.key) && plain(option.value);
        again.append("\"").append(option.key).append("=").append(option.value).append("\" ");
    }
    if (rewritable) {
        const auto reread = options_of(again);
        FUZZ_CHECK(reread.size() == options.size());
        for (std::size_t i = 0; i < options.size(); ++i) {
            FUZZ_CHECK(reread[i].key == options[i].key && reread[i].value == options[i].value);
        }
    }
    return true;
}

std::vector<ByteVector> seeds() {
    return {bytes_of("root=test/ring seed=7 quiet"), bytes_of("a=\"b c\" \"d=e f\" g=\"open"),
            bytes_of("0x1fG"), bytes_of("18446744073709551615"), bytes_of("16383K")};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
