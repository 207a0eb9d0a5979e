// SPDX-License-Identifier: MIT
//
// Random runs of the server against the kernel's model: threads come, block, wake, are moved, killed and go,
// while agents decide and send in any order. Whenever everything has settled, every runnable thread must be
// where the protocol and the policy promise, and no step may break the contract between dispatcher and
// policy. A policy that loses a thread must be caught.
#include <catch2/catch.hpp>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "attributes.hpp"
#include "support/checked_policy.hpp"
#include "support/sched_crew.hpp"

using namespace test;
using abi::ThreadState;

namespace {

class RandomRun {
public:
    RandomRun(std::uint64_t cpus, sched::Policy& policy, unsigned seed)
        : kernel_(cpus),
          places_(static_cast<std::size_t>(std::popcount(cpus)), {.served = true}),
          checked_(policy),
          crew_(kernel_, checked_),
          random_(seed),
          cpu_count_(std::popcount(cpus)),
          max_live_(1 + random_() % 12 * (1 + random_() % 3)) {}

    // The first complaint, with the step at which it arose; empty if there is none.
    std::string run(int steps) {
        for (int i = 0; i < steps; ++i) {
            step();
            if (below(50) == 0) {
                if (const std::string found = settled_complaint(); !found.empty()) {
                    return "step " + std::to_string(i) + ": " + found;
                }
            }
        }
        return finish();
    }

    // From now on the policy is exchanged now and then, for any of these.
    void swap_among(std::span<const sched::PolicyEntry> entries) { successors_ = entries; }
    void swap_among(const sched::PolicyEntry& entry) { successors_ = {&entry, 1}; }

    std::uint64_t commits() const { return crew_.commits(); }
    std::uint64_t refusals() const { return crew_.refusals(); }
    std::uint64_t claims_seen() const { return claims_seen_; }

private:
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
    std::uint32_t any_cpu() { return below(cpu_count_); }
    std::optional<std::uint32_t> any_in(ThreadState state) {
        const auto lines = kernel_.in_state(state);
        return lines.empty() ? std::nullopt
                             : std::optional(lines[below(static_cast<std::uint32_t>(lines.size()))]);
    }
    std::uint64_t any_affinity() {
        const std::uint64_t mask = random_() & kernel_.cpus();
        return below(3) == 0 && mask != 0 ? mask : FakeKernel::kAll;
    }

    std::string settled_complaint() {
        const std::string found = crew_.settled_complaint();
        return found.empty() ? complaint_about_claims() : found;
    }

    // Under `priority` each runnable thread has the priority of the most urgent of all that wait for it, by the kernel's word.
    std::string complaint_about_claims() {
        if (!crew_.dispatcher().policy().inherits() || crew_.dispatcher().policy().name() != "priority") {
            return {};
        }
        std::map<std::uint32_t, std::uint32_t> claims;
        const auto own = [&](std::uint32_t line) {
            return sched::Attributes::of(kernel_.table()[line].label.load()).priority;
        };
        for (const std::uint32_t waiting : kernel_.in_state(ThreadState::kWaiting)) {
            auto at = kernel_.waits_for(waiting);
            for (std::uint32_t length = 1; at; at = kernel_.waits_for(*at), ++length) {
                if (length > sched::CallGraph::kMaxChain || kernel_.on_loan(*at)) {
                    return {};  // too long a chain; or one that is heard of when the loan has ended
                }
                claims[*at] = std::max(claims[*at], own(waiting));
            }
        }
        for (const auto state : {ThreadState::kUnplaced, ThreadState::kQueued, ThreadState::kRunning}) {
            for (const std::uint32_t line : kernel_.in_state(state)) {
                const sched::Task& task = crew_.dispatcher().task(line);
                const std::uint32_t has =
                    std::max(own(line), task.donor != nullptr ? own(task.donor->ref.index) : 0);
                if (kernel_.in_domain(line) && has != std::max(own(line), claims[line])) {
                    return "thread " + std::to_string(line) + " has the claim of priority " +
                           std::to_string(has) + ", not " + std::to_string(claims[line]);
                }
                claims_seen_ += has != own(line) ? 1 : 0;
            }
        }
        return {};
    }

    // Any priority, weight, gang and reservation, or none, so that all policies have something to decide.
    std::uint64_t any_label() {
        if (below(3) == 0) {
            return 0;
        }
        return sched::Attributes{.priority = below(4) * 60,
                                 .weight = 1 + below(sched::Attributes::Label::kMaxWeight),
                                 .group = below(4),
                                 .period_ns = below(3) * 2'000'000,
                                 .budget_ns = below(8) * 500'000}
            .label();
    }

    // Runs until nothing runs: every thread that was left behind shows, since the CPUs are free for it.
    std::string finish() {
        for (;;) {
            if (const std::string found = settled_complaint(); !found.empty()) {
                return "at the end: " + found;
            }
            const auto line = any_in(ThreadState::kRunning);
            if (!line) {
                return {};
            }
            kernel_.exit(kernel_.word(*line).cpu());
        }
    }

    void step() {
        const std::uint32_t cpu = any_cpu();
        switch (below(20)) {
            case 0: begin_thread(cpu); break;
            case 1: end_thread(); break;
            case 2:
                if (const auto line = any_in(ThreadState::kGone)) kernel_.free(*line);
                break;
            case 3:
            case 4:
                if (const auto line = any_in(ThreadState::kWaiting); line && may_give_up(*line))
                    kernel_.wake(*line);
                break;
            case 5:
                if (kernel_.running(cpu)) kernel_.block(cpu);
                break;
            case 6: kernel_.slice_end(cpu); break;
            case 7:
                if (const auto line = any_in(ThreadState::kRunning))
                    kernel_.set_affinity(*line, any_affinity());
                break;
            case 8:
                if (const auto line = any_in(ThreadState::kUnplaced))
                    kernel_.set_affinity(*line, any_affinity());
                break;
            case 9: kernel_.serve(cpu); break;
            case 10:
            case 11: crew_.decide(cpu); break;
            case 12: swap(); break;
            case 13: crew_.pass(below(3'000'000)); break;
            case 14: call(cpu); break;
            case 15:
                if (const auto line = kernel_.running(cpu); line && kernel_.serves_somebody(*line))
                    kernel_.reply_and_receive(cpu);
                break;
            case 16:
                if (const auto line = kernel_.running(cpu);
                    line && !kernel_.serves_somebody(*line) && below(3) == 0)
                    kernel_.receive(cpu);
                break;
            default: crew_.send(cpu); break;
        }
    }

    // A call that went straight to the server has no time-out.
    bool may_give_up(std::uint32_t line) const {
        const auto server = kernel_.waits_for(line);
        return !server || !kernel_.on_loan(*server);
    }

    // Of anybody, as long as nobody waits for himself.
    void call(std::uint32_t cpu) {
        const auto caller = kernel_.running(cpu);
        const auto server = any_in(below(2) == 0 ? ThreadState::kWaiting : ThreadState::kUnplaced);
        if (!caller || !server || !kernel_.in_domain(*caller) || !kernel_.in_domain(*server) ||
            crew_.dispatcher().task(*server).ref != kernel_.ref(*server)) {  // it has never run
            return;
        }
        for (auto at = server; at; at = kernel_.waits_for(*at)) {
            if (at == caller) {
                return;
            }
        }
        kernel_.call(cpu, *server, below(2) == 0);
    }

    void swap() {
        if (!successors_.empty()) {
            auto& next = successors_made_.emplace_back();
            sched::Policy& policy =
                successors_[below(static_cast<std::uint32_t>(successors_.size()))].make(next.storage);
            REQUIRE(policy.start({places_}) == "");
            crew_.set_policy(next.checked.emplace(policy));
        }
    }

    void begin_thread(std::uint32_t cpu) {
        std::size_t live = 0;
        for (const auto state :
             {ThreadState::kRunning, ThreadState::kQueued, ThreadState::kWaiting, ThreadState::kUnplaced}) {
            live += kernel_.in_state(state).size();
        }
        if (below(10) == 0) {
            (void)kernel_.create(FakeKernel::kAll, 0,
                                 cpu);  // of no domain; may take a line that an event is due for
        } else if (live < max_live_) {
            kernel_.start(kernel_.create(any_affinity(), 1, cpu, any_label()));
        }
    }

    void end_thread() {
        constexpr ThreadState kStates[] = {ThreadState::kRunning, ThreadState::kQueued, ThreadState::kWaiting,
                                           ThreadState::kUnplaced};
        if (const auto line = any_in(kStates[below(4)])) {
            kernel_.kill(*line);
        }
    }

    struct Successor {
        sched::PolicyStorage storage;
        std::optional<CheckedPolicy> checked;
    };

    FakeKernel kernel_;
    std::vector<sched::CpuPlace> places_;
    CheckedPolicy checked_;
    std::span<const sched::PolicyEntry> successors_;
    std::list<Successor> successors_made_;
    Crew crew_;
    std::mt19937_64 random_;
    std::uint32_t cpu_count_;
    std::size_t max_live_;
    std::uint64_t claims_seen_ = 0;
};

// As `priority` says, but for the claims of callers, which it compares the wrong way round.
class Upside final : public sched::Policy {
public:
    std::string_view name() const override { return "priority"; }
    void enqueue(sched::Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }
    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        sched::Task* const task = queue_.take_first(cpu);
        return task != nullptr ? std::optional(sched::Pick{task, 0}) : std::nullopt;
    }
    bool inherits() const override { return true; }
    bool claims_before(const sched::Task& a, const sched::Task& b) const override {
        return sched::Attributes::of(a.label).priority < sched::Attributes::of(b.label).priority;
    }

private:
    sched::TaskQueue queue_;
};

// Keeps threads waiting for longer than it says.
class Slow final : public sched::Policy {
public:
    std::string_view name() const override { return "slow"; }
    std::uint64_t may_idle_ns() const override { return promised_ns; }
    void enqueue(sched::Task& task, abi::Cause, std::uint64_t now_ns) override {
        queue_.push_back(task);
        release_ns_ = now_ns + 2'000'000;
    }
    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        sched::Task* const task = now_ns < release_ns_ ? nullptr : queue_.take_first(cpu);
        return task != nullptr ? std::optional(sched::Pick{task, 0}) : std::nullopt;
    }
    std::uint64_t next_tick_ns() const override {
        return queue_.empty() || release_ns_ <= ticked_ns_ ? sched::kNever : release_ns_;
    }
    void tick(std::uint64_t now_ns) override { ticked_ns_ = now_ns; }

    std::uint64_t promised_ns = 0;

private:
    sched::TaskQueue queue_;
    std::uint64_t release_ns_ = 0;
    std::uint64_t ticked_ns_ = 0;
};

// Forgets every 50th thread that is enqueued.
class Lossy final : public sched::Policy {
public:
    std::string_view name() const override { return "lossy"; }
    void enqueue(sched::Task& task, abi::Cause, std::uint64_t) override {
        if (++count_ % 50 != 0) {
            queue_.push_back(task);
        }
    }
    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        sched::Task* const task = queue_.take_first(cpu);
        return task != nullptr ? std::optional(sched::Pick{task, 0}) : std::nullopt;
    }

private:
    sched::TaskQueue queue_;
    int count_ = 0;
};

sched::Policy& started(const sched::PolicyEntry& entry, sched::PolicyStorage& storage, std::uint64_t cpus) {
    static const std::array<sched::CpuPlace, abi::kMaxCpus> all = [] {
        std::array<sched::CpuPlace, abi::kMaxCpus> places;
        places.fill({.served = true});
        return places;
    }();
    sched::Policy& policy = entry.make(storage);
    REQUIRE(policy.start({std::span(all).first(static_cast<std::size_t>(std::popcount(cpus)))}) == "");
    return policy;
}

}  // namespace

TEST_CASE("sched property: nothing is lost and no CPU idles beside work, under every policy") {
    for (const sched::PolicyEntry& entry : sched::known_policies()) {
        for (const std::uint64_t cpus : {0b1u, 0b11u, 0b1111u}) {
            for (unsigned seed = 1; seed <= 60; ++seed) {
                INFO(entry.name << " cpus " << cpus << " seed " << seed);
                auto storage = std::make_unique<sched::PolicyStorage>();
                RandomRun run(cpus, started(entry, *storage, cpus), seed);
                REQUIRE(run.run(1500) == "");
                REQUIRE(run.commits() > 0);
            }
        }
    }
}

TEST_CASE("sched property: nothing is lost when any policy takes over from any other, at any step") {
    for (const std::uint64_t cpus : {0b1u, 0b11u, 0b1111u}) {
        for (unsigned seed = 1; seed <= 40; ++seed) {
            INFO("cpus " << cpus << " seed " << seed);
            auto storage = std::make_unique<sched::PolicyStorage>();
            RandomRun run(cpus, started(*sched::find_policy("fifo"), *storage, cpus), seed);
            run.swap_among(sched::known_policies());
            REQUIRE(run.run(1500) == "");
        }
    }
}

TEST_CASE("sched property: whoever is called has the claim of the most urgent that waits for it") {
    std::uint64_t seen = 0;
    for (const std::uint64_t cpus : {0b1u, 0b11u}) {
        for (unsigned seed = 1; seed <= 60; ++seed) {
            INFO("cpus " << cpus << " seed " << seed);
            auto storage = std::make_unique<sched::PolicyStorage>();
            RandomRun run(cpus, started(*sched::find_policy("priority"), *storage, cpus), seed);
            run.swap_among(*sched::find_policy("priority"));
            REQUIRE(run.run(1500) == "");
            seen += run.claims_seen();
        }
    }
    CHECK(seen > 200);
    int caught = 0;
    for (unsigned seed = 1; seed <= 20; ++seed) {
        Upside upside;
        RandomRun run(0b11, upside, seed);
        caught += run.run(1500) != "" ? 1 : 0;
    }
    CHECK(caught >= 5);
}

TEST_CASE("sched property: the runs reach refused commits") {
    auto storage = std::make_unique<sched::PolicyStorage>();
    RandomRun run(0b1111, sched::find_policy("round_robin")->make(*storage), 7);
    CHECK(run.run(5000) == "");
    CHECK(run.refusals() > 5);
}

TEST_CASE("sched property: a policy that loses a thread is caught") {
    int caught = 0;
    for (unsigned seed = 1; seed <= 40; ++seed) {
        Lossy lossy;
        RandomRun run(0b11, lossy, seed);
        caught += run.run(5000) != "" ? 1 : 0;
    }
    CHECK(caught >= 10);  // one that is killed or gets another affinity before anybody looks does not show
}

TEST_CASE(
    "sched property: a policy that keeps threads waiting for longer than it says is caught, and only then") {
    for (const std::uint64_t promised_ns :
         {std::uint64_t{0}, std::uint64_t{1'000'000}, std::uint64_t{2'000'000}}) {
        Slow slow;
        slow.promised_ns = promised_ns;
        RandomRun run(0b11, slow, 1);
        INFO("promised " << promised_ns);
        CHECK((run.run(2000) == "") == (promised_ns == 2'000'000));
    }
}
