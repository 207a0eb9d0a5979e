// SPDX-License-Identifier: MIT
//
// Arguments of programs: text with placeholders in braces.
#include "root/manifest_values.hpp"

#include <algorithm>
#include <charconv>

namespace cox::manifest {

namespace {

constexpr std::string_view kPlaceholders[] = {"index", "workers", "size", "seed", "fault", "policy", "cpus"};

// A piece of the text: plain characters, or a placeholder without its braces.
struct Piece {
    enum class Kind : std::uint8_t { kPlain, kPlaceholder, kMalformed };

    Kind kind;
    std::string_view text;
};

Piece take_piece(std::string_view& rest) {
    const std::size_t plain = std::min(rest.find_first_of("{}"), rest.size());
    if (plain != 0) {
        const Piece piece{Piece::Kind::kPlain, rest.substr(0, plain)};
        rest.remove_prefix(plain);
        return piece;
    }
    const std::size_t end = rest.find('}');
    if (rest[0] != '{' || end == std::string_view::npos) {
        return {Piece::Kind::kMalformed, rest};
    }
    const Piece piece{Piece::Kind::kPlaceholder, after(rest.substr(0, end), 1)};
    rest.remove_prefix(end + 1);
    return piece;
}

class Writer {
public:
    explicit Writer(std::span<char> buffer) : buffer_(buffer) {}

    void append(std::string_view text) {
        if (text.size() > buffer_.size() - size_) {
            full_ = true;
            return;
        }
        std::copy(text.begin(), text.end(), buffer_.data() + size_);
        size_ += text.size();
    }
    void append(std::uint64_t number) {
        char digits[20];
        const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
        append(std::string_view(digits, static_cast<std::size_t>(end - digits)));
    }
    [[nodiscard]] bool full() const { return full_; }
    [[nodiscard]] std::string_view text() const { return {buffer_.data(), size_}; }

private:
    std::span<char> buffer_;
    std::size_t size_ = 0;
    bool full_ = false;
};

// What differs from one that is started to another.
struct Own {
    std::uint64_t index;
    std::string_view policy;
    std::uint64_t cpus;  // 0: all
};

void append_placeholder(Writer& writer, std::string_view name, const Manifest& manifest, const Own& own) {
    if (name == "index") {
        writer.append(own.index);
    } else if (name == "workers") {
        writer.append(manifest.run.workers);
    } else if (name == "seed") {
        writer.append(manifest.run.seed);
    } else if (name == "size") {
        writer.append(manifest.run.size);
    } else if (name == "fault") {
        writer.append(manifest.run.fault);
    } else if (name == "policy") {
        writer.append(own.policy);
    } else {
        writer.append(own.cpus != 0 ? own.cpus : ~std::uint64_t{0});
    }
}

Result<std::string_view> expand(std::string_view arguments, const Manifest& manifest, const Own& own,
                                std::span<char> buffer) {
    Writer writer(buffer);
    for (std::string_view rest = arguments; !rest.empty();) {
        const Piece piece = take_piece(rest);
        if (piece.kind == Piece::Kind::kMalformed) {
            return std::unexpected(Error{0, "arguments", "unbalanced braces"});
        }
        if (piece.kind == Piece::Kind::kPlaceholder) {
            append_placeholder(writer, piece.text, manifest, own);
        } else {
            writer.append(piece.text);
        }
    }
    if (writer.full()) {
        return std::unexpected(Error{0, "arguments", "too long with all placeholders replaced"});
    }
    return writer.text();
}

}  // namespace

bool read_arguments(std::string_view text, std::string_view& out) {
    for (std::string_view rest = text; !rest.empty();) {
        const Piece piece = take_piece(rest);
        const bool known = std::find(std::begin(kPlaceholders), std::end(kPlaceholders), piece.text) !=
                           std::end(kPlaceholders);
        if (piece.kind == Piece::Kind::kMalformed || (piece.kind == Piece::Kind::kPlaceholder && !known)) {
            return false;
        }
    }
    out = text;
    return true;
}

Result<std::string_view> expand_arguments(std::string_view arguments, const Manifest& manifest,
                                          std::uint64_t index, std::span<char> buffer) {
    return expand(arguments, manifest, {index, manifest.server.policy, manifest.server.cpus}, buffer);
}

Result<std::string_view> expand_arguments(const Domain& domain, const Manifest& manifest,
                                          std::span<char> buffer) {
    const std::string_view policy = domain.policy.empty() ? manifest.server.policy : domain.policy;
    return expand(domain.arguments, manifest, {0, policy, domain.cpus}, buffer);
}

}  // namespace cox::manifest
