// SPDX-License-Identifier: MIT
//
// The values that keys can have. Each function sets `out` and returns true, or returns false and leaves it
// alone.
#pragma once

#include "root/manifest.hpp"

#include <cstdint>
#include <string_view>

namespace cox::manifest {

// Decimal or 0x hexadecimal, K, M, G allowed.
[[nodiscard]] bool read_number(std::string_view text, std::uint64_t low, std::uint64_t high,
                               std::uint64_t& out);
// One word of two.
[[nodiscard]] bool read_choice(std::string_view text, std::string_view yes, std::string_view no, bool& out);
// "all" (0), or numbers and ranges below kMaxCpus: "0,2-3".
[[nodiscard]] bool read_cpus(std::string_view text, std::uint64_t& out);
// One word of printable characters.
[[nodiscard]] bool read_word(std::string_view text, std::string_view& out);
// "[OBJECT] RIGHT...": without OBJECT, the object is `name` itself.
[[nodiscard]] bool read_grant(std::string_view text, std::string_view name, Grant& out);
// "ATTRIBUTE:NUMBER...", each attribute once (abi/sched_label.hpp), packed.
[[nodiscard]] bool read_label(std::string_view text, std::uint64_t& out);
// "BYTES THREADS".
[[nodiscard]] bool read_quota(std::string_view text, Allowance& out);
// "kill", "replace [PROGRAM]", or a command that begins with a verb of the server's (docs/server-control.md).
[[nodiscard]] bool read_event(std::string_view text, Event& out);
// Only placeholders that expand_arguments() knows.
[[nodiscard]] bool read_arguments(std::string_view text, std::string_view& out);

// 1 to kMaxName characters: letters, digits, - and _; not the name of a right.
[[nodiscard]] bool is_name(std::string_view text);

// `text` without its first `count` characters, which it must have. (substr() would throw if it had not.)
[[nodiscard]] constexpr std::string_view after(std::string_view text, std::size_t count) {
    text.remove_prefix(count);
    return text;
}
[[nodiscard]] std::string_view trim(std::string_view text);
// Cuts the first word off `rest`; empty at the end.
[[nodiscard]] std::string_view take_word(std::string_view& rest);

}  // namespace cox::manifest
