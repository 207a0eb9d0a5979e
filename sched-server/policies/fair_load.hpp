// SPDX-License-Identifier: MIT
//
// FairLoad: virtual time for `fair`. Each of the threads that compete has a weight w and a virtual service v, which grows by
// (time that it ran) / w. Virtual time V is the average of all v, weighted by w, so that the lags w(V - v), which is what
// each has still to get, sum up to zero (Stoica & Abdel-Wahab 1995, equation 3; kept as a sum, as in Linux's EEVDF).
//
// Unit: 1/4096 ns for a weight of 1. The sum is kept relative to a base that follows V, so nothing overflows before
// weights x lags exceed 2^63: 2048 threads of the greatest weight, each 5 minutes behind. V itself wraps, which nobody notices.
#pragma once

#include <cstdint>

namespace sched {

class FairLoad {
public:
    static constexpr std::uint64_t kScale = 4096;

    // `ns` of service at weight 1, in units of v at `weight`; and back.
    static std::int64_t virtual_time(std::int64_t ns, std::uint64_t weight) {
        return ns * static_cast<std::int64_t>(kScale) / static_cast<std::int64_t>(weight);
    }
    static std::int64_t real_time(std::int64_t units, std::uint64_t weight) {
        return units / static_cast<std::int64_t>(kScale) * static_cast<std::int64_t>(weight);
    }

    [[nodiscard]] std::uint64_t weight() const { return weight_; }

    // V, rounded down.
    [[nodiscard]] std::uint64_t now() {
        if (weight_ != 0) {
            const auto weight = static_cast<std::int64_t>(weight_);
            const std::int64_t ahead = sum_ / weight - (sum_ % weight < 0 ? 1 : 0);
            base_ += static_cast<std::uint64_t>(ahead);
            sum_ -= ahead * weight;
        }
        return base_;
    }

    // A thread begins to compete, V - v in `behind` -> its v. V moves, and by as much more is it put behind, so that what it
    // was owed before is what it is owed after.
    [[nodiscard]] std::uint64_t join(std::uint64_t weight, std::int64_t behind) {
        const std::uint64_t at = now();
        if (weight_ == 0) {
            behind = 0;
        } else {
            behind += behind / static_cast<std::int64_t>(weight_) * static_cast<std::int64_t>(weight);
        }
        const std::uint64_t v = at - static_cast<std::uint64_t>(behind);
        weight_ += weight;
        sum_ -= behind * static_cast<std::int64_t>(weight);
        return v;
    }
    void leave(std::uint64_t weight, std::uint64_t v) {
        sum_ -= static_cast<std::int64_t>(v - base_) * static_cast<std::int64_t>(weight);
        weight_ -= weight;
    }
    // The v of a thread that competes grows by `units`.
    void served(std::uint64_t weight, std::int64_t units) {
        sum_ += units * static_cast<std::int64_t>(weight);
    }

private:
    std::uint64_t weight_ = 0;
    std::int64_t sum_ = 0;    // of w(v - base)
    std::uint64_t base_ = 0;  // V, as it was when somebody looked
};

}  // namespace sched
