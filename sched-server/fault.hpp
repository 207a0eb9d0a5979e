// SPDX-License-Identifier: MIT
//
// Misbehaviour on demand, for tests of the kernel's watchdog and fallback. A server without a `fault`
// argument has an empty plan and pays one comparison per activation.
//
//     fault=ignore         attached, agents wait and take their events, but nothing is ever committed; when
//                          the kernel has taken the domain back, the process stays, as one that hangs would
//     fault=exit_after=N   the server's process ends once it has made N commits
//     fault=drop_wake=N    of the events whose line shows a thread that was woken, the Nth is forgotten
#pragma once

#include "abi/sched.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sched {

struct FaultPlan {
    bool ignore = false;
    std::uint64_t exit_after = 0;  // commits; 0: never
    std::uint64_t drop_wake = 0;   // which one; 0: none
};

// The value of the argument; nullopt if there is no such fault.
[[nodiscard]] std::optional<FaultPlan> parse_fault(std::string_view text);

// Shared by all agents.
class Fault {
public:
    explicit Fault(FaultPlan plan) : plan_(plan) {}

    // Whether there is anything to misbehave in.
    [[nodiscard]] bool planned() const {
        return plan_.ignore || plan_.exit_after != 0 || plan_.drop_wake != 0;
    }
    [[nodiscard]] bool ignores_events() const { return plan_.ignore; }
    // `commits` more were made; true when it is time to go.
    [[nodiscard]] bool time_to_exit(std::uint64_t commits) {
        // Relaxed: a count.
        return plan_.exit_after != 0 &&
               commits_.fetch_add(commits, std::memory_order_relaxed) + commits >= plan_.exit_after;
    }
    [[nodiscard]] bool forgets_wakes() const { return plan_.drop_wake != 0; }
    // An event's line shows this word; true when the event is to be forgotten.
    [[nodiscard]] bool forgets(cox::abi::ThreadWord word);

private:
    FaultPlan plan_;
    std::atomic<std::uint64_t> commits_{0};
    std::atomic<std::uint64_t> wakes_{0};
};

}  // namespace sched
