// SPDX-License-Identifier: MIT
//
// Reservation: what `edf` keeps of a thread, in Task::scratch: a constant-bandwidth server (Abeni & Buttazzo, "Integrating
// multimedia applications in hard real-time systems", 1998) with a budget in each period. Where their server postpones its
// deadline at once when the budget is used up, this one waits for the deadline (as Linux's SCHED_DEADLINE does), so
// that a thread never gets more than its budget ahead of others.
//
// A thread that is called runs on the reservation of the one for which it works, where that is the more urgent: budget and deadline are
// the caller's, who waits and so does not use them itself (bandwidth inheritance: Lamastra, Lipari & Abeni 2001).
//
//     kNone ──admitted──► kReady ──budget used up──► kExhausted ──deadline: replenish()──► kReady
//       └─────refused───► kRefused (asks again whenever it wakes)
#pragma once

#include "attributes.hpp"
#include "task.hpp"

#include <algorithm>
#include <cstdint>

namespace sched {

class Reservation {
public:
    enum class State : std::uint64_t { kNone, kReady, kExhausted, kRefused };

    explicit Reservation(Task& task) : task_(&task), label_(Attributes::of(task.label)) {}
    // What the task runs on: its own reservation, or that of the thread for which it works, as was chosen when it became runnable.
    static Reservation used_by(Task& task) {
        Task* const holder = holder_of(task);
        return Reservation(holder != nullptr ? *holder : task);
    }
    static bool uses_own(const Task& task) { return holder_of(task) == nullptr; }
    // nullptr: its own.
    static void set_holder(Task& task, Task* holder) {
        task.scratch[kHolder] = reinterpret_cast<std::uintptr_t>(holder);
    }

    [[nodiscard]] State state() const { return static_cast<State>(word(kState)); }
    [[nodiscard]] bool admitted() const { return state() == State::kReady || state() == State::kExhausted; }
    [[nodiscard]] bool periodic() const { return label_.period_ns != 0 && label_.budget_ns != 0; }
    [[nodiscard]] std::uint32_t home() const { return static_cast<std::uint32_t>(word(kHome)); }
    [[nodiscard]] std::uint64_t deadline_ns() const { return word(kDeadline); }
    static std::uint64_t used_deadline_ns(const Task& task) {
        const Task* const holder = holder_of(task);
        return (holder != nullptr ? *holder : task).scratch[kDeadline];
    }
    [[nodiscard]] std::uint64_t budget_ns() const { return word(kBudget); }

    // budget / period in units of 2^-30, rounded down, so that three thirds are not more than one.
    static constexpr std::uint64_t kWhole = std::uint64_t{1} << 30;
    [[nodiscard]] std::uint64_t utilisation() const { return label_.budget_ns * kWhole / label_.period_ns; }

    void admit(std::uint32_t home, std::uint64_t now_ns) {
        set(State::kReady);
        word(kHome) = home;
        begin_period(now_ns);
    }
    void set(State state) { word(kState) = static_cast<std::uint64_t>(state); }

    // Whether the thread has work that it woke for.
    [[nodiscard]] bool released() const { return word(kReleased) != 0; }
    void set_released(bool released) { word(kReleased) = released ? 1 : 0; }

    // The thread wakes: the budget and deadline that are left may be used if that is no more than its share of the
    // time until then (Abeni & Buttazzo's rule); else a new period begins.
    void wake(std::uint64_t now_ns) {
        if (now_ns >= deadline_ns() ||
            (state() == State::kReady &&
             word(kBudget) * label_.period_ns >= (deadline_ns() - now_ns) * label_.budget_ns)) {
            begin_period(now_ns);
            set(State::kReady);
        }
    }
    void begin_period(std::uint64_t release_ns) {
        word(kBudget) = label_.budget_ns;
        word(kDeadline) = release_ns + label_.period_ns;
    }
    // A full budget for the period that begins at the deadline, or, if more than one has passed, in step with it.
    void replenish(std::uint64_t now_ns) {
        const std::uint64_t late = now_ns - deadline_ns();
        begin_period(deadline_ns() + late / label_.period_ns * label_.period_ns);
        set(State::kReady);
    }
    void use(std::uint64_t ns) { word(kBudget) -= std::min(ns, word(kBudget)); }

    // ---- While it is placed: since when it uses its budget, on the policy's clock and on the thread's own.
    void run(std::uint64_t now_ns) {
        word(kSince) = now_ns;
        word(kRuntime) = task_->runtime_ns;
    }
    [[nodiscard]] std::uint64_t since_ns() const { return word(kSince); }
    // How long it has run since, now that it has stopped; at most the time that has passed.
    [[nodiscard]] std::uint64_t ran_ns(std::uint64_t now_ns) const {
        return std::min(now_ns - word(kSince), task_->runtime_ns - word(kRuntime));
    }

private:
    enum Word : std::size_t { kState, kHome, kDeadline, kBudget, kSince, kRuntime, kReleased, kHolder };

    static Task* holder_of(const Task& task) {
        return reinterpret_cast<Task*>(static_cast<std::uintptr_t>(task.scratch[kHolder]));
    }

    [[nodiscard]] std::uint64_t& word(Word index) const { return task_->scratch[index]; }

    Task* task_;
    Attributes label_;
};

}  // namespace sched
