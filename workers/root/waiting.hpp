// SPDX-License-Identifier: MIT
//
// Waiting on the root task's ring for whatever comes first, up to a common deadline.
#pragma once

#include "cap/env.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace root {

class Waiting {
public:
    Waiting(const cap::Env& env, std::uint64_t seconds)
        : env_(env), deadline_(cap::read_tsc() + env.clock.ticks(seconds * 1'000'000'000)) {}

    // Submits what is prepared and returns the next completion. kTimedOut after the deadline.
    [[nodiscard]] cap::Result<cap::abi::Completion> next() { return next_within(1, remaining_ns()); }

    // The same for `ns` at most; nothing if none comes in that time.
    [[nodiscard]] cap::Result<std::optional<cap::abi::Completion>> next_for(std::uint64_t ns) {
        const std::uint64_t left = remaining_ns();
        const auto completion = next_within(1, std::min(ns, left));
        if (!completion && completion.error() == cap::abi::Error::kTimedOut && ns < left) {
            return std::nullopt;
        }
        return completion ? cap::Result<std::optional<cap::abi::Completion>>(*completion)
                          : cap::fail(completion.error());
    }

    // Sleeps until `count` completions are there, and returns the first of them.
    [[nodiscard]] cap::Result<cap::abi::Completion> next_of(std::uint64_t count) {
        return next_within(count, remaining_ns());
    }

    // Sleeps for `ns` unless a completion comes. Past the deadline: kTimedOut.
    [[nodiscard]] cap::Result<void> sleep(std::uint64_t ns) {
        if (remaining_ns() == 0) {
            return cap::fail(cap::abi::Error::kTimedOut);
        }
        const auto slept = env_.ring.submit_and_wait(1, ns);
        const bool fine = slept || slept.error() == cap::abi::Error::kTimedOut;
        return fine ? cap::Result<void>() : cap::fail(slept.error());
    }

private:
    [[nodiscard]] std::uint64_t remaining_ns() const {
        const std::uint64_t now = cap::read_tsc();
        return now < deadline_ ? env_.clock.ns(deadline_ - now) : 0;
    }

    [[nodiscard]] cap::Result<cap::abi::Completion> next_within(std::uint64_t count, std::uint64_t ns) {
        for (;;) {
            if (const auto completion = env_.ring.next()) {
                return *completion;
            }
            TRY(env_.ring.submit_and_wait(count, ns));
        }
    }

    const cap::Env& env_;
    std::uint64_t deadline_;
};

}  // namespace root
