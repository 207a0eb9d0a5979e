// SPDX-License-Identifier: MIT
//
// GangTable: the gangs that `gang` knows: threads whose labels name the same group. Entry 0 is for the loners: threads of no
// group, and of groups beyond kMax, for which there is no room. A gang has its entry while any of its threads lives.
#pragma once

#include "attributes.hpp"
#include "task.hpp"

#include <array>
#include <cstdint>

namespace sched {

struct Gang {
    TaskQueue waiting;            // its enqueued threads
    std::uint32_t group = 0;      // 0: the entry is free
    std::uint32_t members = 0;    // threads that live, as far as the policy has heard of them
    std::uint32_t placed = 0;     // of these, on a CPU
    bool active = false;          // it is its turn: all its threads are to run
    std::uint64_t last_slot = 0;  // in which it came first

    [[nodiscard]] std::size_t runnable() const { return waiting.size() + placed; }
};

class GangTable {
public:
    static constexpr std::uint32_t kMax = 256;
    static constexpr std::uint32_t kLoners = 0;

    // Of a thread that has joined.
    static std::uint32_t index_of(const Task& task) {
        return static_cast<std::uint32_t>(task.scratch[kGang] - 1);
    }
    [[nodiscard]] Gang& of(const Task& task) { return gangs_[index_of(task)]; }
    [[nodiscard]] Gang& operator[](std::uint32_t index) { return gangs_[index]; }
    [[nodiscard]] const Gang& operator[](std::uint32_t index) const { return gangs_[index]; }
    // Behind the last entry in use.
    [[nodiscard]] std::uint32_t end() const { return end_; }

    // A thread that has joined stays where it is. A new gang comes as if it had just had its turn in `slot`.
    void join(Task& task, std::uint64_t slot) {
        if (task.scratch[kGang] == 0) {
            const std::uint32_t index = entry_for(Attributes::of(task.label).group, slot);
            task.scratch[kGang] = index + 1;
            ++gangs_[index].members;
        }
    }
    void leave(Task& task) {
        if (task.scratch[kGang] != 0) {
            Gang& gang = of(task);
            --gang.members;
            if (gang.members == 0) {
                gang.group = 0;
                gang.active = false;
            }
            task.scratch[kGang] = 0;
        }
    }

private:
    static constexpr std::size_t kGang = 0;  // in Task::scratch: index + 1

    std::uint32_t entry_for(std::uint32_t group, std::uint64_t slot) {
        std::uint32_t free = kLoners;
        for (std::uint32_t i = 1; i < end_ && group != 0; ++i) {
            if (gangs_[i].group == group) {
                return i;
            }
            if (gangs_[i].group == 0 && free == kLoners) {
                free = i;
            }
        }
        if (group == 0 || (free == kLoners && end_ == kMax)) {
            return kLoners;
        }
        if (free == kLoners) {
            free = end_++;
        }
        gangs_[free].group = group;
        gangs_[free].last_slot = slot;
        return free;
    }

    std::array<Gang, kMax> gangs_;
    std::uint32_t end_ = 1;
};

}  // namespace sched
