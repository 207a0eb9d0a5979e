// SPDX-License-Identifier: MIT
#include "cap/format.hpp"

namespace cap {

namespace {

constexpr std::string_view kMore = "...";

}  // namespace

void LineWriter::append(std::string_view text) {
    if (truncated_) {
        return;
    }
    const std::size_t room = buffer_.size() - size_;
    truncated_ = text.size() > room;
    for (const char c : text.substr(0, room)) {
        buffer_[size_++] = c;
    }
    if (truncated_) {
        size_ = buffer_.size() - kMore.size();
        for (const char c : kMore) {
            buffer_[size_++] = c;
        }
    }
}

void LineWriter::append_arg(const FormatArg& arg, std::uint64_t base) {
    switch (arg.kind()) {
        case FormatArg::Kind::kText: append(arg.text()); return;
        case FormatArg::Kind::kChar: {
            const char c = static_cast<char>(arg.number());
            append({&c, 1});
            return;
        }
        case FormatArg::Kind::kNegative: append("-"); break;
        case FormatArg::Kind::kUnsigned: break;
    }
    std::array<char, 20> digits;  // 2^64 has 20 decimal digits
    std::size_t first = digits.size();
    std::uint64_t rest = arg.number();
    do {
        digits[--first] = "0123456789abcdef"[rest % base];
        rest /= base;
    } while (rest != 0);
    append({digits.data() + first, digits.size() - first});
}

// FormatString has checked that every placeholder has its argument.
void LineWriter::format(std::string_view text, std::span<const FormatArg> args) {
    for (;;) {
        std::size_t plain = 0;
        std::size_t length = 0;
        const FormatPiece piece = next_piece(text, plain, length);
        append(text.substr(0, plain));
        if (piece == FormatPiece::kEnd || piece == FormatPiece::kMalformed) {
            return;
        }
        if (piece == FormatPiece::kBrace) {
            append(text.substr(plain, 1));
        } else {
            append_arg(args.front(), piece == FormatPiece::kHex ? 16 : 10);
            args = args.subspan(1);
        }
        text.remove_prefix(plain + length);
    }
}

}  // namespace cap
