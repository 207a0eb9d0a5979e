// SPDX-License-Identifier: MIT
//
// Behaviour: when threads come, how long they run, for what they wait. Each thread draws from a random sequence of its
// own, so what it wants does not depend on the policy.
#pragma once

#include "world.hpp"

#include <vector>

namespace sim {

class Behaviour {
public:
    enum class Next : std::uint8_t { kGoOn, kWait, kExit };

    explicit Behaviour(World& world);

    // The next thread of the crew has come, its first turn is set; the timer for the one behind it is, too.
    SimThread& arrive(std::uint32_t crew);

    // The thread's turn has ended: whether its next one, which is then set, begins at once, or after a wake.
    [[nodiscard]] Next turn_ended(SimThread& thread);
    // The server's turn for that caller is set.
    void serve(SimThread& server, SimThread& caller);
    // The reply has come: what is left of the turn is set.
    static void replied(SimThread& caller);
    // Whom that has released from a barrier: they wake now.
    [[nodiscard]] std::span<SimThread* const> released() const { return released_; }

private:
    struct State {
        std::uint32_t first = 0;  // of its threads
        std::uint32_t come = 0;
        Random arrivals;
        bool closing = false;                // the barrier has been passed for the last time
        std::vector<SimThread*> at_barrier;  // all but the last one
    };

    void expect_next(std::uint32_t crew, std::uint64_t at_ns);
    void begin_turn(SimThread& thread, const Crew& crew);
    Next traced_turn_ended(SimThread& thread, const TraceThread& trace);
    Next job_ended(SimThread& thread, const Crew& crew);
    Next join_barrier(SimThread& thread, const Crew& crew);
    Next sleep(SimThread& thread, std::uint64_t ns);

    World& world_;
    std::vector<State> states_;
    std::vector<SimThread*> released_;
};

}  // namespace sim
