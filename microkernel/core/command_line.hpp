// SPDX-License-Identifier: MIT
//
// CommandLine: options separated by spaces, "key=value" or a bare "key". Quotes keep spaces together, around
// a value (key="a b") or, as GRUB writes it, around the whole option ("key=a b"); there are no escapes, and a
// quote left open lasts to the end. Views refer to the text given. Where a key stands twice the last one
// wins, so that an option appended by hand overrides what the image brings.
//
// parse_u64: decimal or 0x hexadecimal, with an optional suffix K, M or G (powers of 1024); exact, or an
// error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace cox::core {

struct CommandLineOption {
    std::string_view key;
    std::string_view value;  // empty for a bare key
};

class CommandLine {
public:
    explicit constexpr CommandLine(std::string_view text) : text_(text) {}

    template <class Visit>
    constexpr void for_each(Visit visit) const {
        std::string_view rest = text_;
        while (const auto word = take_word(rest)) {
            visit(split(*word));
        }
    }

    // The value of `key`; the empty string when it stands bare; nullopt when it is absent.
    [[nodiscard]] constexpr std::optional<std::string_view> find(std::string_view key) const {
        std::optional<std::string_view> found;
        for_each([&](const CommandLineOption& option) {
            if (option.key == key) {
                found = option.value;
            }
        });
        return found;
    }

private:
    static constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

    // A word ends at the first space outside quotes.
    static constexpr std::optional<std::string_view> take_word(std::string_view& rest) {
        while (!rest.empty() && is_space(rest.front())) {
            rest.remove_prefix(1);
        }
        if (rest.empty()) {
            return std::nullopt;
        }
        bool quoted = false;
        std::size_t end = 0;
        for (; end < rest.size() && (quoted || !is_space(rest[end])); ++end) {
            quoted ^= rest[end] == '"';
        }
        const std::string_view word(rest.data(), end);
        rest.remove_prefix(end);
        return word;
    }

    static constexpr std::string_view unquote(std::string_view text) {
        if (text.starts_with('"')) {
            text.remove_prefix(1);
            if (text.ends_with('"')) {
                text.remove_suffix(1);
            }
        }
        return text;
    }

    static constexpr CommandLineOption split(std::string_view word) {
        word = unquote(word);
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) {
            return {.key = word, .value = {}};
        }
        const std::string_view key(word.data(), equals);
        word.remove_prefix(equals + 1);
        return {.key = key, .value = unquote(word)};
    }

    std::string_view text_;
};

enum class NumberError : std::uint8_t { kEmpty, kBadDigit, kOverflow };

[[nodiscard]] constexpr std::expected<std::uint64_t, NumberError> parse_u64(std::string_view text) {
    std::uint64_t unit = 1;
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) {
        text.remove_prefix(2);
    }
    if (!text.empty()) {
        switch (text.back() | 0x20) {
            case 'k': unit = std::uint64_t{1} << 10; break;
            case 'm': unit = std::uint64_t{1} << 20; break;
            case 'g': unit = std::uint64_t{1} << 30; break;
            default: break;
        }
        text.remove_suffix(unit == 1 ? 0 : 1);
    }
    if (text.empty()) {
        return std::unexpected(NumberError::kEmpty);
    }
    const std::uint64_t base = hex ? 16 : 10;
    std::uint64_t value = 0;
    for (const char c : text) {
        const char lower = static_cast<char>(c | 0x20);
        std::uint64_t digit = base;
        if (c >= '0' && c <= '9') {
            digit = static_cast<std::uint64_t>(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            digit = static_cast<std::uint64_t>(lower - 'a') + 10;
        }
        if (digit >= base) {
            return std::unexpected(NumberError::kBadDigit);
        }
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value)) {
            return std::unexpected(NumberError::kOverflow);
        }
    }
    if (__builtin_mul_overflow(value, unit, &value)) {
        return std::unexpected(NumberError::kOverflow);
    }
    return value;
}

}  // namespace cox::core
