// SPDX-License-Identifier: MIT
//
// Misbehaviour on demand, so that tests can see it noticed. Only worker 0 misbehaves, and only with the
// argument `fault`.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace primes {

enum class Fault : std::uint8_t {
    kNone,
    kWrongCount,   // reports a prime too many
    kBrokenSieve,  // strikes with one base prime in the wrong places
    kIdle,         // sleeps in the timed section, so that the workers do not overlap
    kCrash,        // reads address 0 in the timed section
    kSilent,       // ends without a result
    kAbsent,       // ends before it is ready
    kHang,         // never ends
};

inline constexpr std::string_view kFaultNames = "none wrong_count broken_sieve idle crash silent absent hang";
inline constexpr std::uint64_t kIdleNs = 1'000'000'000;

[[nodiscard]] constexpr std::optional<Fault> parse_fault(std::string_view text) {
    std::string_view rest = kFaultNames;
    for (std::uint8_t number = 0; !rest.empty(); ++number) {
        const std::string_view name = rest.substr(0, rest.find(' '));
        if (name == text) {
            return static_cast<Fault>(number);
        }
        rest.remove_prefix(name.size() < rest.size() ? name.size() + 1 : rest.size());
    }
    return std::nullopt;
}

}  // namespace primes
