// SPDX-License-Identifier: MIT
//
// A small formatter into a fixed buffer, without heap, locale or libc. Placeholders: {} and, for integers,
// {:x}; {{ and
// }} stand for braces. Placeholders are checked against the arguments at compile time.
//
//     LineBuffer<128> line;
//     line.print("count={} mask={:x} error={}", count, mask, result.error());
//
// Arguments: integers, bool, char, text, abi::Error (by name). Text that does not fit is dropped and the last
// three characters of the buffer become "...", once; whatever is printed afterwards is dropped too.
#pragma once

#include "cap/result.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace cap {

class FormatArg {
public:
    enum class Kind : std::uint8_t { kUnsigned, kNegative, kText, kChar };

    // A template, so that no pointer converts to it.
    template <std::same_as<bool> T>
    constexpr FormatArg(T value) : FormatArg(std::string_view(value ? "true" : "false")) {}
    constexpr FormatArg(char value) : kind_(Kind::kChar), number_(static_cast<unsigned char>(value)) {}
    constexpr FormatArg(abi::Error error) : FormatArg(error_name(error)) {}
    constexpr FormatArg(std::string_view text) : kind_(Kind::kText), text_(text) {}
    constexpr FormatArg(const char* text) : FormatArg(std::string_view(text)) {}
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    constexpr FormatArg(T value)
        : kind_(value < T{0} ? Kind::kNegative : Kind::kUnsigned),
          number_(value < T{0} ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value)) {}

    [[nodiscard]] constexpr Kind kind() const { return kind_; }
    [[nodiscard]] constexpr std::uint64_t number() const { return number_; }  // its amount if kNegative
    [[nodiscard]] constexpr std::string_view text() const { return text_; }

private:
    Kind kind_;
    std::uint64_t number_ = 0;
    std::string_view text_;
};

// How a format text goes on at its start: so many plain characters, then one of these.
enum class FormatPiece : std::uint8_t { kEnd, kDecimal, kHex, kBrace, kMalformed };

constexpr FormatPiece next_piece(std::string_view text, std::size_t& plain, std::size_t& length) {
    plain = 0;
    while (plain < text.size() && text[plain] != '{' && text[plain] != '}') {
        ++plain;
    }
    const std::string_view rest = text.substr(plain);
    length = 2;
    if (rest.empty()) {
        return FormatPiece::kEnd;
    }
    if (rest.starts_with("{{") || rest.starts_with("}}")) {
        return FormatPiece::kBrace;
    }
    if (rest.starts_with("{}")) {
        return FormatPiece::kDecimal;
    }
    length = 4;
    return rest.starts_with("{:x}") ? FormatPiece::kHex : FormatPiece::kMalformed;
}

// A format text that fits its arguments; anything else does not compile.
template <class... Args>
class FormatString {
public:
    template <std::convertible_to<std::string_view> T>
    consteval FormatString(const T& text) : text_(text) {
        constexpr std::array<bool, sizeof...(Args) + 1> kIsInteger = {
            std::integral<std::remove_cvref_t<Args>>...};
        std::string_view rest = text_;
        std::size_t used = 0;
        for (;;) {
            std::size_t plain = 0;
            std::size_t length = 0;
            const FormatPiece piece = next_piece(rest, plain, length);
            if (piece == FormatPiece::kEnd) {
                break;
            }
            if (piece == FormatPiece::kMalformed) {
                malformed_placeholder();
            }
            if (piece == FormatPiece::kDecimal || piece == FormatPiece::kHex) {
                if (used == sizeof...(Args)) {
                    too_few_arguments();
                }
                if (piece == FormatPiece::kHex && !kIsInteger[used]) {
                    hex_of_something_else_than_an_integer();
                }
                ++used;
            }
            rest.remove_prefix(plain + length);
        }
        if (used != sizeof...(Args)) {
            too_many_arguments();
        }
    }

    [[nodiscard]] constexpr std::string_view text() const { return text_; }

private:
    // Not constexpr: that compilation stops at one of these is the error message.
    static void malformed_placeholder();
    static void too_few_arguments();
    static void too_many_arguments();
    static void hex_of_something_else_than_an_integer();

    std::string_view text_;
};

// Appends to a buffer of at least 3 characters that somebody else owns.
class LineWriter {
public:
    constexpr explicit LineWriter(std::span<char> buffer) : buffer_(buffer) {}

    template <class... Args>
    void print(FormatString<std::type_identity_t<Args>...> text, const Args&... args) {
        const std::array<FormatArg, sizeof...(Args) + 1> packed = {FormatArg(args)..., FormatArg(false)};
        format(text.text(), std::span(packed).first(sizeof...(Args)));
    }

    void append(std::string_view text);
    void clear() {
        size_ = 0;
        truncated_ = false;
    }
    [[nodiscard]] std::string_view view() const { return {buffer_.data(), size_}; }
    [[nodiscard]] bool truncated() const { return truncated_; }

private:
    void format(std::string_view text, std::span<const FormatArg> args);
    void append_arg(const FormatArg& arg, std::uint64_t base);

    std::span<char> buffer_;
    std::size_t size_ = 0;
    bool truncated_ = false;
};

template <std::size_t Size>
class LineBuffer : public LineWriter {
public:
    LineBuffer() : LineWriter(storage_) {}
    LineBuffer(const LineBuffer&) = delete;
    LineBuffer& operator=(const LineBuffer&) = delete;

private:
    static_assert(Size >= 3);
    std::array<char, Size> storage_;
};

}  // namespace cap
