// SPDX-License-Identifier: MIT
#include "kernel/log.hpp"

#include <algorithm>

#include "arch/serial.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

Log the_log;

namespace {
SpinLock lock(LockRank::kLog);
}

void log_line(std::string_view text) {
    SpinGuard guard(lock);
    log_line_unlocked(text);
}

void log_line_unlocked(std::string_view text) {
    arch::serial_write(text);
    arch::serial_write("\n");
}

std::string_view printable(std::string_view text, std::span<char> buffer) {
    const auto n = std::min(text.size(), buffer.size());
    std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(n), buffer.begin(),
                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c; });
    return {buffer.data(), n};
}

void LineBuffer::add(std::string_view text) {
    const auto n = std::min(text.size(), text_.size() - size_);
    std::copy_n(text.data(), n, text_.data() + size_);
    size_ += n;
}

void LineBuffer::add_number(std::uint64_t value, bool hex) {
    std::array<char, 20> digits;
    std::size_t at = digits.size();
    const std::uint64_t base = hex ? 16 : 10;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    add({digits.data() + at, digits.size() - at});
}

}  // namespace cox
