// SPDX-License-Identifier: MIT
//
// EventQueue: what is going to happen, by time; what is due at the same time comes in the order in which it was entered.
#pragma once

#include <cstdint>
#include <queue>
#include <vector>

namespace sim {

struct Timer {
    enum class Kind : std::uint8_t { kCpu, kWake, kArrival };

    std::uint64_t at_ns;
    std::uint64_t order;
    std::uint32_t index;  // of the CPU, the thread, the crew
    std::uint32_t epoch;  // kCpu: of that CPU, else this is a timer that has been replaced
    Kind kind;

    friend bool operator>(const Timer& left, const Timer& right) {
        return left.at_ns != right.at_ns ? left.at_ns > right.at_ns : left.order > right.order;
    }
};

class EventQueue {
public:
    [[nodiscard]] bool empty() const { return heap_.empty(); }
    [[nodiscard]] std::uint64_t next_ns() const { return heap_.top().at_ns; }
    void push(Timer::Kind kind, std::uint64_t at_ns, std::uint32_t index, std::uint32_t epoch = 0) {
        heap_.push({at_ns, order_++, index, epoch, kind});
    }
    Timer pop() {
        const Timer timer = heap_.top();
        heap_.pop();
        return timer;
    }

private:
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> heap_;
    std::uint64_t order_ = 0;
};

}  // namespace sim
