// SPDX-License-Identifier: MIT
//
// StormLoad: threads of the domain that notice by themselves when they are forgotten, and how long they waited. Three kinds:
//
//     spinner   computes for a millisecond, yields
//     link      one of three in a ring: waits for its bell, takes the number that its neighbour has left, passes the next one on
//     sleeper   sleeps for two milliseconds
//
// So it goes on under any policy that lets each runnable thread run some time. A number that does not come, comes twice, or comes
// out of order is a wake that was lost, or doubled. A *step* is a yield, a number passed on, a sleep.
//
// Waits are noted per window: a thread that finds a new window (open_window()) begins its longest wait anew, and what it
// waited before the window's beginning does not count.
#pragma once

#include "support/crew.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace test {

class StormLoad {
public:
    // Started. Sized by the number of CPUs.
    explicit StormLoad(Case& t);

    void open_window();
    // Each thread makes a step -> whether all did. What they waited until then is in the window.
    [[nodiscard]] bool all_step();
    // The longest that any of them was runnable and did not run, so far.
    [[nodiscard]] std::uint64_t longest_wait_ns();

    // Those that were sent and not heard, but the one that each ring may have under way. Exact when nobody moves any more,
    // or nobody can; says of each whose wakes they are. Also counts whoever stands still since the last all_step() began.
    [[nodiscard]] std::uint64_t count_lost();
    // No number came twice or out of order, and no ring has more than one under way.
    [[nodiscard]] bool in_order();
    // Lets nobody pass a number on -> whether all rings came to rest with every wake heard.
    [[nodiscard]] bool comes_to_rest();

    [[nodiscard]] std::size_t size() { return crew_.workers().size(); }

private:
    static constexpr std::size_t kRing = 3;

    void add_spinner(std::uint32_t cpu);
    void add_ring(std::uint32_t cpu);
    void add_sleeper(std::uint32_t cpu);
    Worker& add(WorkerMain main, std::uint32_t cpu);
    [[nodiscard]] std::uint64_t steps(std::size_t number);
    [[nodiscard]] bool stands_still(std::size_t number) { return steps(number) == before_[number]; }
    void name(std::size_t number, std::uint64_t sent, std::uint64_t heard);

    Case& t_;
    Crew crew_;
    struct Board* board_ = nullptr;
    std::uint64_t window_ = 0;
    std::array<std::uint64_t, Crew::kMaxWorkers> before_{};
};

}  // namespace test
