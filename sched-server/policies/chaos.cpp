// SPDX-License-Identifier: MIT
//
// chaos: decides at random, from a seed, and gives no thread a second's peace: which CPU, in which order, how late, for how long;
// now and then it preempts a thread or recalls it for nothing. It is there to test programs, the kernel and the server (after
// Musuvathi et al., "Finding and reproducing Heisenbugs", 2008, and the chaos mode of rr), and is of no other use.
// Parameters: seed; delay_us.
//
// Invariants: no thread is lost: each enqueued one may be picked by a random CPU soon, and by all where it may run after at most
// delay_us, so no CPU idles for longer beside work, but for the time that a tick is late; every one that is picked is preempted at random within 10 ms while
// another waits, so none starves but by bad luck. The same calls with the same seed give the same decisions.
//
// Costs: O(threads) per decision.
#include "policies/placed_tasks.hpp"
#include "registry.hpp"

namespace sched {
namespace {

class Chaos final : public Policy {
public:
    std::string_view name() const override { return "chaos"; }
    std::span<const Parameter> parameters() override { return parameters_; }
    std::uint64_t may_idle_ns() const override { return delay_us_ * 1000 + kLateTickNs; }
    std::string_view start(const Machine& machine) override {
        placed_.start(machine);
        random_ = seed_;
        return {};
    }

    void enqueue(Task& task, abi::Cause, std::uint64_t now_ns) override {
        task.scratch[kOpenNs] = now_ns + up_to(delay_us_ * 1000);
        task.scratch[kReleaseNs] = now_ns + up_to(task.scratch[kOpenNs] - now_ns);
        task.scratch[kWishedCpu] = any_cpu();
        if (up_to(1) == 0) {
            waiting_.push_back(task);
        } else {
            waiting_.push_front(task);
        }
        if (disturb_ns_ == kNever) {
            disturb_later(now_ns);
        }
    }

    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        const std::uint64_t candidates = count_for(cpu, now_ns);
        if (candidates == 0) {
            return std::nullopt;
        }
        std::uint64_t skip = up_to(candidates - 1);
        for (Task& task : waiting_) {
            if (suits(task, cpu, now_ns) && skip-- == 0) {
                waiting_.remove(task);
                placed_.picked(task, cpu, kNever);
                return Pick{&task, kShortestNs + up_to(kLongestNs - kShortestNs)};
            }
        }
        return std::nullopt;
    }

    void adopt(Task& task, std::uint64_t) override { placed_.adopt(task, kNever); }
    void stopped(Task& task, abi::Cause, std::uint64_t) override { placed_.stopped(task); }

    std::optional<std::uint32_t> preempt(std::uint64_t now_ns) override {
        const auto cpu = std::exchange(to_preempt_, std::nullopt);
        if (!cpu || placed_.alone(*cpu) == nullptr || count_for(*cpu, now_ns) == 0) {
            return std::nullopt;
        }
        ++preemptions_;
        return cpu;
    }

    Task* recall(std::uint64_t) override {
        const auto cpu = std::exchange(to_recall_, std::nullopt);
        Task* const task = cpu ? placed_.front(*cpu) : nullptr;
        recalls_ += task != nullptr ? 1 : 0;
        return task;
    }

    // The next disturbance, or the next thread that more CPUs may take.
    std::uint64_t next_tick_ns() const override {
        std::uint64_t next = disturb_ns_;
        for (const Task& task : waiting_) {
            for (const std::uint64_t time : {task.scratch[kReleaseNs], task.scratch[kOpenNs]}) {
                next = time > looked_ns_ ? std::min(next, time) : next;
            }
        }
        return next;
    }
    void tick(std::uint64_t now_ns) override {
        looked_ns_ = now_ns;
        if (now_ns < disturb_ns_) {
            return;
        }
        (up_to(1) == 0 ? to_preempt_ : to_recall_) = any_cpu();
        disturb_later(now_ns);
    }

    void cpu_taken(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_taken(cpu); }
    void cpu_returned(std::uint32_t cpu, std::uint64_t) override { placed_.cpu_returned(cpu); }

    void statistics(Report& report) const override {
        report.number("preemptions", preemptions_);
        report.number("recalls", recalls_);
    }

private:
    // In scratch: before kReleaseNs no CPU may take the thread, before kOpenNs only kWishedCpu.
    static constexpr std::size_t kReleaseNs = 0, kOpenNs = 1, kWishedCpu = 2;
    static constexpr std::uint64_t kLateTickNs = 100'000;
    static constexpr std::uint64_t kShortestNs = 100'000, kLongestNs = 10'000'000;

    // xorshift64* (Vigna 2016).
    std::uint64_t next_random() {
        random_ ^= random_ >> 12;
        random_ ^= random_ << 25;
        random_ ^= random_ >> 27;
        return random_ * 0x2545'f491'4f6c'dd1d;
    }
    std::uint64_t up_to(std::uint64_t most) { return (next_random() >> 8) % (most + 1); }
    std::uint32_t any_cpu() {
        const std::uint32_t count = placed_.served().count();
        std::uint64_t skip = count != 0 ? up_to(count - 1) : 0;
        for (const std::uint32_t cpu : placed_.served()) {
            if (skip-- == 0) {
                return cpu;
            }
        }
        return 0;
    }

    // Disturbances go on only while there is somebody to disturb: a thread waits, or runs on some CPU.
    void disturb_later(std::uint64_t now_ns) {
        bool anybody = !waiting_.empty();
        for (const std::uint32_t cpu : placed_.served()) {
            anybody |= !placed_.idle(cpu);
        }
        disturb_ns_ = anybody ? now_ns + kShortestNs + up_to(kLongestNs - kShortestNs) : kNever;
    }

    static bool suits(const Task& task, std::uint32_t cpu, std::uint64_t now_ns) {
        return task.may_run_on(cpu) &&
               now_ns >= task.scratch[task.scratch[kWishedCpu] == cpu ? kReleaseNs : kOpenNs];
    }
    std::uint64_t count_for(std::uint32_t cpu, std::uint64_t now_ns) const {
        std::uint64_t count = 0;
        for (const Task& task : waiting_) {
            count += suits(task, cpu, now_ns) ? 1 : 0;
        }
        return count;
    }

    PlacedTasks placed_;
    TaskQueue waiting_;
    std::uint64_t random_ = 1;
    std::uint64_t looked_ns_ = 0;
    std::uint64_t disturb_ns_ = kNever;
    std::optional<std::uint32_t> to_preempt_;
    std::optional<std::uint32_t> to_recall_;
    std::uint64_t preemptions_ = 0;
    std::uint64_t recalls_ = 0;
    std::uint64_t seed_ = 1;
    std::uint64_t delay_us_ = 500;
    std::array<Parameter, 2> parameters_{{{"seed", &seed_, 1, ~std::uint64_t{0}},  // of 0, only zeros come
                                          {"delay_us", &delay_us_, 0, 100'000}}};
};

}  // namespace

Policy& make_chaos(PolicyStorage& storage) { return construct_policy<Chaos>(storage); }

}  // namespace sched
