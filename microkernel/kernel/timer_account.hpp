// SPDX-License-Identifier: MIT
// TimerAccount: how many timers there are of one process. Held by that and by the timers, so that none of them need hold the process.
#pragma once
#include <atomic>

#include "abi/calls.hpp"
#include "kernel/heap.hpp"

namespace cox {

class TimerAccount final : public Object {
public:
    TimerAccount() : Object(abi::ObjectType::kNone) {}

    // False: there are as many as there may be.
    bool take() {
        if (count_.fetch_add(1, std::memory_order_relaxed) < abi::kMaxTimers) return true;
        give_back();
        return false;
    }
    void give_back() { count_.fetch_sub(1, std::memory_order_relaxed); }

private:
    void destroy() override { dispose(this); }

    std::atomic<std::uint32_t> count_{0};
};

}  // namespace cox
