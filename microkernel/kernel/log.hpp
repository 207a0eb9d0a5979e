// SPDX-License-Identifier: MIT
// The kernel's log: whole lines to the serial port, from any CPU. print() formats {} (integers, text) and {:x}.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernel/object.hpp"

namespace cox {

void log_line(std::string_view text);           // one line, whole; a newline is added
void log_line_unlocked(std::string_view text);  // panic: nobody else runs

// `text` in `buffer`, as far as it fits, with what would end a line or reach a terminal replaced.
std::string_view printable(std::string_view text, std::span<char> buffer);

class LineBuffer {
public:
    void add(std::string_view text);
    void add_number(std::uint64_t value, bool hex);
    std::string_view text() const { return {text_.data(), size_}; }

private:
    std::array<char, 256> text_;
    std::size_t size_ = 0;
};

namespace detail {
inline void add(LineBuffer& line, std::string_view text, bool) { line.add(text); }
template <class T>
    requires std::is_integral_v<T>
void add(LineBuffer& line, T value, bool hex) {
    line.add_number(static_cast<std::uint64_t>(value), hex);
}
}  // namespace detail

template <class... Args>
LineBuffer format(std::string_view pattern, const Args&... args) {
    LineBuffer line;
    const auto put = [&](const auto& value) {
        const auto open = pattern.find('{');
        const auto close = pattern.find('}', open);
        line.add(pattern.substr(0, open));
        if (open == pattern.npos || close == pattern.npos) return;
        detail::add(line, value, pattern.substr(open, close - open) == "{:x");
        pattern.remove_prefix(close + 1);
    };
    (put(args), ...);
    line.add(pattern);
    return line;
}

template <class... Args>
void print(std::string_view pattern, const Args&... args) {
    log_line(format(pattern, args...).text());
}

// What a capability of type kLog names.
class Log final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kLog;
    Log() : Object(kType) {}

private:
    void destroy() override {}  // there is one, for ever
};
extern Log the_log;

}  // namespace cox
