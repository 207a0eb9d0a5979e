// SPDX-License-Identifier: MIT
//
// Misbehaviour on demand, so that tests can see it noticed. Only with the argument `fault`, and only worker 0
// misbehaves, but where a fault concerns the whole crew.
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
    kTurns,        // the whole crew: one works while the others sleep, though all are in the timed section
    kGreedy,       // the whole crew: worker 0 counts the whole range, the others nothing
    // Of threads alone, and of the whole crew:
    kOneLock,  // one works, the others wait for its lock
    kOneRing,  // worker 0 does the work of all, the others wait in cap_enter for its answer
    kOneCpu,   // all may run on CPU 0 only
};

inline constexpr std::string_view kThreadFaultNames =
    "none wrong_count broken_sieve idle crash silent absent hang turns greedy one_lock one_ring one_cpu";
inline constexpr std::string_view kFaultNames =
    kThreadFaultNames.substr(0, kThreadFaultNames.find(" one_lock"));
inline constexpr std::uint64_t kIdleNs = 1'000'000'000;
inline constexpr std::uint64_t kTurnNs = 300'000'000;  // more than a share of size=small takes
inline constexpr std::uint64_t kLockPollNs = 1'000'000;

[[nodiscard]] constexpr bool concerns_all(Fault fault) { return fault >= Fault::kTurns; }

// `names` is one of the lists above.
[[nodiscard]] constexpr std::optional<Fault> parse_fault(std::string_view text, std::string_view names) {
    std::string_view rest = names;
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
