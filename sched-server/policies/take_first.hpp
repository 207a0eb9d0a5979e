// SPDX-License-Identifier: MIT
//
// take_first(queue, cpu): the first task of the queue that may run on the CPU, taken out; nullptr if there is
// none. Linear in the tasks in front of it that may not run there.
#pragma once

#include "policy.hpp"

namespace sched {

inline Task* take_first(TaskQueue& queue, std::uint32_t cpu) {
    for (Task& task : queue) {
        if (task.may_run_on(cpu)) {
            queue.remove(task);
            return &task;
        }
    }
    return nullptr;
}

}  // namespace sched
