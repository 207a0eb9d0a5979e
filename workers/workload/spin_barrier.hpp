// SPDX-License-Identifier: MIT
//
// SpinBarrier: a barrier whose threads expect the others at once, and so spin for them: for `spin_ticks`, and only then park.
// Meant for threads that run at the same time; where they do not, the spinning is what that costs.
#pragma once

#include "cap/clock.hpp"
#include "cap/park.hpp"

#include <atomic>
#include <cstdint>

namespace workload {

class SpinBarrier {
public:
    // Before anybody arrives.
    void prepare(std::uint32_t count, std::uint64_t spin_ticks) {
        count_ = count;
        left_.store(count, std::memory_order_relaxed);
        spin_ticks_ = spin_ticks;
    }

    void arrive_and_wait() {
        const std::uint32_t phase = phase_.load(std::memory_order_relaxed);  // stays before all are here
        // acq_rel: the last one to come has seen what all others did, and publishes it with the phase
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            left_.store(count_, std::memory_order_relaxed);
            phase_.store(phase + 1, std::memory_order_seq_cst);
            // Pairs with the addition in wait(): who is not counted here finds the new phase, and does not park.
            if (parked_.load(std::memory_order_seq_cst) != 0) {
                (void)cap::unpark(phase_, cap::kAll);
            }
            return;
        }
        wait(phase);
    }

private:
    void wait(std::uint32_t phase) {
        const std::uint64_t end = cap::read_tsc() + spin_ticks_;
        while (!come(phase)) {
            if (cap::read_tsc() < end) {
                continue;
            }
            parked_.fetch_add(1, std::memory_order_seq_cst);
            (void)cap::park(phase_, phase);
            parked_.fetch_sub(1, std::memory_order_relaxed);
        }
    }

    // Looks for a while. Emulators are slow to pause and to read the clock: not each time.
    [[nodiscard]] bool come(std::uint32_t phase) const {
        constexpr int kLooks = 256;
        for (int i = 0; i < kLooks; ++i) {
            if (phase_.load(std::memory_order_acquire) != phase) {  // pairs with the store of the phase
                return true;
            }
        }
        asm volatile("pause");
        return false;
    }

    std::uint32_t count_ = 0;
    std::uint64_t spin_ticks_ = 0;
    std::atomic<std::uint32_t> left_{0};
    std::atomic<std::uint32_t> phase_{0};
    std::atomic<std::uint32_t> parked_{0};
};

}  // namespace workload
