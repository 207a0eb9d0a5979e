// SPDX-License-Identifier: MIT
//
// ServerModel: the server's half: the Dispatcher (sched-server/dispatcher.hpp) over again, for more CPUs and threads than
// that has room for. It makes the same calls of the policy in the same order for the same events, but for one thing: there
// is no limit to the commits of one activation. Whatever the policy answers is checked before it is used.
#pragma once

#include "cpu_levels.hpp"
#include "idle_watch.hpp"
#include "policy.hpp"
#include "server_side.hpp"
#include "world.hpp"

namespace sim {

class ServerModel final : public ServerSide {
public:
    ServerModel(World& world, sched::Policy& policy);

    void activate() override;
    void refused(const Commit& commit, abi::Error error) override;
    [[nodiscard]] std::uint64_t tick_ns() const override { return tick_ns_; }
    void finish() override;

private:
    enum class Movable : std::uint8_t { kNo, kRunning, kUnderWay, kQueued };

    void observe(SimThread& thread);
    void observe_unplaced(SimThread& thread);
    void observe_placed(SimThread& thread);
    void observe_not_runnable(SimThread& thread);
    void observe_cpu(std::uint32_t cpu);
    void follow_state(SimThread& thread);

    // server_calls.cpp
    static bool lends_its_time(const SimThread& thread);
    void observe_on_cpu(SimThread& thread);
    void end_call(SimThread& thread);
    void find_caller(SimThread& thread);
    void begin_call(SimThread& thread);
    void give_donor(sched::CallNode& node, sched::Task* donor);

    void enqueue(SimThread& thread);
    void place(SimThread& thread, std::uint32_t cpu);
    void leave_cpu(SimThread& thread);
    void unplace(SimThread& thread, abi::Cause cause);
    void end_recall(SimThread& thread);

    void fill();
    void fill_level(std::uint32_t level);
    void feed_idle(bool recalls);
    void preempt();
    [[nodiscard]] SimThread* queued_alone(std::uint32_t cpu);
    void fill_levels();
    void fill_rest();
    void recall_wanted();
    void forget(SimThread& thread);
    [[nodiscard]] bool waits_beside(std::uint32_t cpu, std::uint64_t ns) const;
    bool pick_for(std::uint32_t cpu, std::uint32_t flags);
    SimThread& checked(const sched::Pick& pick, std::uint32_t cpu) const;
    void send(SimThread& thread, std::uint32_t cpu, std::uint32_t flags, std::uint64_t slice_ns);
    [[nodiscard]] static Movable movable(const SimThread& thread);
    [[nodiscard]] std::pair<SimThread*, Movable> movable_to(std::uint32_t cpu);
    void move_commit(SimThread& thread, std::uint32_t cpu);

    [[noreturn]] void report_lost(std::uint32_t cpu, std::uint64_t idle_ns);

    World& world_;
    sched::Policy& policy_;
    const bool inherits_;  // and there are calls
    CpuLevels load_;
    std::vector<PlacedList> placed_;
    CpuSet awaiting_recall_;
    IdleWatch idle_watch_;
    std::uint32_t first_cpu_ = 0;
    std::uint64_t tick_ns_ = 0;     // every agent begins with a round
    std::size_t first_commit_ = 0;  // of this activation, in world_.commits
};

}  // namespace sim
