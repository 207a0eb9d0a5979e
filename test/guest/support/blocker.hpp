// SPDX-License-Identifier: MIT
//
// A worker for races with blocking: its station's argument is the Race, which lives in memory that both see.
#pragma once

#include "support/crew.hpp"
#include "support/race.hpp"

namespace test {

// In each round, waits for its bell twice: the second time when it is met.
inline std::uint64_t wait_then_block_when_met(Station& station, cap::Ring& ring) {
    Race& race = *static_cast<Race*>(station.argument);
    const cap::Notification bell(station.bell);
    for (std::uint64_t round = 1;; ++round) {
        (void)bell.wait(ring);
        race.meet(round);
        (void)bell.wait(ring);
    }
}

}  // namespace test
