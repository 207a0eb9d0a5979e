// SPDX-License-Identifier: MIT
//
// ServerModel: from the policy to commits, and the checks of what it says.
#include "server_model.hpp"

#include <algorithm>
#include <cstdlib>

namespace sim {

using sched::Place;

namespace {

constexpr std::uint64_t kMinTickNs = 20'000;  // as the agents have it
constexpr std::uint32_t kAllHints = abi::kHintWake | abi::kHintRotate;

std::string cpu_text(std::uint32_t cpu) { return "CPU " + std::to_string(cpu); }

}  // namespace

void ServerModel::activate() {
    const std::uint64_t promise_ns = policy_.may_idle_ns();
    if (const auto idler = idle_watch_.longer_than(promise_ns, world_.now_ns, [&](const auto& each) {
            return waits_beside(each.cpu, promise_ns);
        })) {
        report_lost(idler->cpu, world_.now_ns - idler->since_ns);
    }
    while (!world_.events.empty() && world_.events.front().due_ns <= world_.now_ns) {
        const ServerEvent event = world_.events.front();
        world_.events.pop_front();
        if (event.thread == nullptr) {
            observe_cpu(event.cpu);
        } else {
            event.thread->event_pending = false;
            observe(*event.thread);
        }
    }
    first_commit_ = world_.commits.size();
    fill();
    idle_watch_.look(load_, world_.now_ns);
    const std::uint64_t next_ns = policy_.next_tick_ns();
    tick_ns_ = next_ns == sched::kNever ? kForever : std::max(next_ns, world_.now_ns + kMinTickNs);
}

void ServerModel::fill() {
    if (policy_.next_tick_ns() <= world_.now_ns) {
        ++world_.result.ticks;
        policy_.tick(world_.now_ns);
    }
    if (idle_watch_.enqueued() != 0) {
        fill_levels();
    }
    feed_idle(true);
    preempt();
    recall_wanted();
}

void ServerModel::fill_levels() {
    const std::uint32_t depth = policy_.depth();
    const std::uint32_t levels = std::clamp(depth, std::uint32_t{1}, CpuLevels::kLevels);
    for (std::uint32_t level = 1; level <= levels && idle_watch_.enqueued() != 0; ++level) {
        fill_level(level);
    }
    if (depth > CpuLevels::kLevels) {
        fill_rest();
    }
}

void ServerModel::fill_rest() {
    load_.all().for_each(first_cpu_, [&](std::uint32_t cpu) {
        while (idle_watch_.asks_for(cpu) && load_.count(cpu) < policy_.depth() && pick_for(cpu, 0)) {
        }
        return idle_watch_.enqueued() != 0;
    });
}

void ServerModel::recall_wanted() {
    while (sched::Task* const task = policy_.recall(world_.now_ns)) {
        SimThread& thread = static_cast<SimThread&>(*task);
        world_.expect(thread.place == Place::kPlaced,
                      [&] { return "the policy recalls " + say(thread) + ", which it has placed nowhere"; });
        send(thread, thread.cpu, abi::kCommitRecall, abi::kNoSlice);
    }
}

// Whether a thread that may run on the CPU has been enqueued for longer than that.
bool ServerModel::waits_beside(std::uint32_t cpu, std::uint64_t ns) const {
    return std::ranges::any_of(world_.threads, [&](const SimThread& thread) {
        return thread.place == Place::kEnqueued && thread.may_run_on(cpu) &&
               world_.now_ns - thread.enqueued_ns > ns;
    });
}

void ServerModel::fill_level(std::uint32_t level) {
    load_.below(level).for_each(first_cpu_, [&](std::uint32_t cpu) {
        if (idle_watch_.asks_for(cpu) && pick_for(cpu, 0)) {
            first_cpu_ = (cpu + 1) % sched::kPolicyCpus;
        }
        return idle_watch_.enqueued() != 0;
    });
}

bool ServerModel::pick_for(std::uint32_t cpu, std::uint32_t flags) {
    const std::optional<sched::Pick> pick = policy_.pick_next(cpu, world_.now_ns);
    if (!pick) {
        return false;
    }
    SimThread& thread = checked(*pick, cpu);
    ++world_.result.decisions;
    idle_watch_.dequeued(thread.mask);
    place(thread, cpu);
    thread.commit_under_way = true;
    thread.commit_slice_ns = pick->slice_ns;
    // The kernel sees the hint from the next stop on.
    thread.known_hints = thread.hint = pick->hints;
    thread.hint_cpu = cpu;
    thread.hint_slice_ns = pick->slice_ns;
    send(thread, cpu, flags, pick->slice_ns);
    return true;
}

SimThread& ServerModel::checked(const sched::Pick& pick, std::uint32_t cpu) const {
    const auto first = reinterpret_cast<std::uintptr_t>(static_cast<sched::Task*>(world_.threads.data()));
    const auto offset = reinterpret_cast<std::uintptr_t>(pick.task) - first;
    world_.expect(offset / sizeof(SimThread) < world_.threads.size() && offset % sizeof(SimThread) == 0,
                  [&] { return "the policy picked for " + cpu_text(cpu) + " what is no thread"; });
    SimThread& thread = static_cast<SimThread&>(*pick.task);
    if (thread.place != Place::kEnqueued || !thread.may_run_on(cpu) || (pick.hints & ~kAllHints) != 0)
        [[unlikely]] {
        const std::string picked = "the policy picked " + say(thread) + " for " + cpu_text(cpu);
        world_.expect(thread.place != Place::kPlaced,
                      picked + ": a thread that is picked already, on CPU " + std::to_string(thread.cpu));
        world_.expect(thread.place == Place::kEnqueued, picked + ": a thread that is not enqueued");
        world_.expect(thread.may_run_on(cpu), picked + ": where it may not run");
        world_.expect(false, picked + ": unknown hints");
    }
    return thread;
}

void ServerModel::send(SimThread& thread, std::uint32_t cpu, std::uint32_t flags, std::uint64_t slice_ns) {
    const bool recall = (flags & abi::kCommitRecall) != 0;
    world_.commits.push_back({world_.now_ns + world_.scenario.costs.commit_ns, &thread,
                              recall ? thread.sequence : thread.known_sequence, cpu, flags, slice_ns});
}

void ServerModel::preempt() {
    while (idle_watch_.enqueued() != 0) {
        const std::optional<std::uint32_t> cpu = policy_.preempt(world_.now_ns);
        if (!cpu) {
            break;
        }
        world_.expect(*cpu < world_.cpus.size(),
                      [&] { return "the policy preempts " + cpu_text(*cpu) + ", which is none"; });
        SimThread* const queued = queued_alone(*cpu);
        if (!pick_for(*cpu, queued != nullptr ? 0 : abi::kCommitHead | abi::kCommitPreempt)) {
            break;
        }
        if (queued != nullptr) {
            send(*queued, queued->cpu, abi::kCommitRecall, abi::kNoSlice);
        }
        feed_idle(false);
    }
}

SimThread* ServerModel::queued_alone(std::uint32_t cpu) {
    SimThread* const thread = placed_[cpu].front();
    const bool alone = thread != nullptr && placed_[cpu].next(*thread) == nullptr;
    return alone && movable(*thread) == Movable::kQueued ? thread : nullptr;
}

void ServerModel::feed_idle(bool recalls) {
    if (!load_.any_with_two() || !policy_.feeds_idle()) {
        return;
    }
    load_.below(1).for_each(first_cpu_, [&](std::uint32_t cpu) {
        if (awaiting_recall_.contains(cpu)) {
            return true;
        }
        const auto [thread, how] = movable_to(cpu);
        if (how == Movable::kUnderWay) {
            move_commit(*thread, cpu);
        } else if (how != Movable::kNo && recalls) {
            thread->recalled_for = cpu;
            awaiting_recall_.add(cpu);
            send(*thread, thread->cpu, abi::kCommitRecall, abi::kNoSlice);
        }
        return load_.any_with_two();
    });
}

ServerModel::Movable ServerModel::movable(const SimThread& thread) {
    switch (thread.state) {
        case abi::ThreadState::kQueued: return Movable::kQueued;
        case abi::ThreadState::kRunning: return Movable::kRunning;
        case abi::ThreadState::kUnplaced:
            return thread.commit_under_way && thread.sequence == thread.known_sequence ? Movable::kUnderWay
                                                                                       : Movable::kNo;
        default: return Movable::kNo;
    }
}

std::pair<SimThread*, ServerModel::Movable> ServerModel::movable_to(std::uint32_t cpu) {
    std::pair<SimThread*, Movable> best{nullptr, Movable::kNo};
    load_.two().for_each(cpu, [&](std::uint32_t from) {
        for (SimThread& thread : placed_[from]) {
            if (!thread.may_run_on(cpu) || thread.recalled_for != sched::Record::kNobody) {
                continue;
            }
            if (const Movable how = movable(thread); how > best.second) {
                best = {&thread, how};
            }
        }
        return best.second != Movable::kQueued;
    });
    return best;
}

// A commit of this activation is changed; of one that is on its way there are two, and only one can succeed.
void ServerModel::move_commit(SimThread& thread, std::uint32_t cpu) {
    leave_cpu(thread);
    place(thread, cpu);
    policy_.adopt(thread, world_.now_ns);
    thread.hint_cpu = cpu;
    for (std::size_t at = first_commit_; at < world_.commits.size(); ++at) {
        Commit& earlier = world_.commits[at];
        if (earlier.thread == &thread && (earlier.flags & abi::kCommitRecall) == 0) {
            earlier.cpu = cpu;
            return;
        }
    }
    send(thread, cpu, 0, thread.commit_slice_ns);
}

// Whether the policy still has the thread: it is asked for all that it would give any CPU.
void ServerModel::report_lost(std::uint32_t cpu, std::uint64_t idle_ns) {
    for (std::uint32_t other = 0; other < world_.cpus.size() && idle_watch_.enqueued() != 0;) {
        if (!pick_for(other, 0)) {
            ++other;
        }
    }
    for (const SimThread& thread : world_.threads) {
        world_.expect(thread.place != Place::kEnqueued || !thread.may_run_on(cpu), [&] {
            return "the policy has lost " + say(thread) + ": it gives it to no CPU, and " + cpu_text(cpu) +
                   " has been idle for " + std::to_string(idle_ns) + " ns";
        });
    }
    world_.expect(false, cpu_text(cpu) + " has been idle beside an enqueued thread that may run there for " +
                             std::to_string(idle_ns) + " ns; the policy promises at most " +
                             std::to_string(policy_.may_idle_ns()) + " ns");
    std::abort();
}

// One that promises that no CPU idles must give all that it has to somebody.
void ServerModel::finish() {
    std::uint64_t live = 0;
    for (std::uint32_t cpu = 0; cpu < world_.cpus.size(); ++cpu) {
        live += world_.cpus[cpu].queue.size() + (world_.cpus[cpu].current != nullptr ? 1 : 0);
    }
    std::uint64_t on_cpus = 0;
    for (const SimThread& thread : world_.threads) {
        on_cpus +=
            thread.state == abi::ThreadState::kQueued || thread.state == abi::ThreadState::kRunning ? 1 : 0;
    }
    world_.expect(
        live == on_cpus,
        std::to_string(on_cpus) + " threads say that they are on CPUs, which have " + std::to_string(live));
    if (policy_.may_idle_ns() != 0) {
        return;
    }
    for (std::uint32_t cpu = 0; cpu < world_.cpus.size() && idle_watch_.enqueued() != 0;) {
        if (!pick_for(cpu, 0)) {
            ++cpu;
        }
    }
    for (const SimThread& thread : world_.threads) {
        world_.expect(thread.place != Place::kEnqueued,
                      [&] { return "the policy has lost " + say(thread) + ": it gives it to no CPU"; });
    }
}

}  // namespace sim
