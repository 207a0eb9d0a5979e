// SPDX-License-Identifier: MIT
//
// Schedule: the release times of something that happens again and again. It waits for the next one on the calling thread's
// ring, and says how late it woke. Used by one thread.
#pragma once

#include "cap/clock.hpp"
#include "cap/ring.hpp"

#include <cstdint>

namespace workload {

class Schedule {
public:
    // The first release is one interval after `start`.
    Schedule(const cap::Clock& clock, std::uint64_t start, std::uint64_t interval_ns)
        : clock_(clock), interval_(clock.ticks(interval_ns)), release_(start) {}

    // Sleeps until the next release, if that lies ahead, and returns its time.
    std::uint64_t next(cap::Ring& ring) {
        release_ += interval_;
        sleep_until(ring, release_);
        return release_;
    }
    // The same, but releases that have passed are left out.
    std::uint64_t next_to_come(cap::Ring& ring) {
        const std::uint64_t now = cap::read_tsc();
        while (release_ + interval_ <= now) {
            release_ += interval_;
        }
        return next(ring);
    }
    [[nodiscard]] std::uint64_t interval() const { return interval_; }

private:
    void sleep_until(cap::Ring& ring, std::uint64_t tsc) const {
        for (std::uint64_t now = cap::read_tsc(); now < tsc; now = cap::read_tsc()) {
            (void)ring.submit_and_wait(1, clock_.ns(tsc - now) + 1);  // times out: nothing is in flight
        }
    }

    const cap::Clock& clock_;
    std::uint64_t interval_;  // in ticks, as the others
    std::uint64_t release_;
};

}  // namespace workload
