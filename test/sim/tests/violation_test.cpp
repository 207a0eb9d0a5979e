// SPDX-License-Identifier: MIT
//
// The negative controls: policies with one mistake each, which must be caught and called by its name.
#include <catch2/catch.hpp>

#include "core/assert.hpp"
#include "support.hpp"

using namespace test;
using Catch::Matchers::Contains;
using sched::Pick;
using sched::Task;
namespace abi = cox::abi;

namespace {

// A good policy, to be spoilt.
class Queue : public sched::Policy {
public:
    std::string_view name() const override { return "queue"; }
    void enqueue(Task& task, abi::Cause, std::uint64_t) override { queue_.push_back(task); }
    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        Task* const task = queue_.take_first(cpu);
        return task != nullptr ? std::optional(Pick{task, 1'000'000}) : std::nullopt;
    }
    virtual ~Queue() = default;

protected:
    sched::TaskQueue queue_;
};

class Lossy final : public Queue {
public:
    void enqueue(Task& task, abi::Cause, std::uint64_t) override {
        if (++count_ % 50 != 0) {
            queue_.push_back(task);
        }
    }

private:
    int count_ = 0;
};

class Doubling final : public Queue {
public:
    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        if (++count_ % 20 == 0 && last_) {
            return last_;
        }
        return last_ = Queue::pick_next(cpu, now_ns);
    }

private:
    int count_ = 0;
    std::optional<Pick> last_;
};

class Trespassing final : public Queue {
public:
    std::optional<Pick> pick_next(std::uint32_t, std::uint64_t) override {
        Task* const task = queue_.pop_front();
        return task != nullptr ? std::optional(Pick{task, 0}) : std::nullopt;
    }
};

class Idling final : public Queue {
public:
    explicit Idling(std::uint64_t promised_ns) : promised_ns_(promised_ns) {}
    std::uint64_t may_idle_ns() const override { return promised_ns_; }
    std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override {
        return cpu == 1 && now_ns < 20'000'000 ? std::nullopt : Queue::pick_next(cpu, now_ns);
    }

private:
    std::uint64_t promised_ns_;
};

class Inventing final : public Queue {
public:
    std::optional<Pick> pick_next(std::uint32_t, std::uint64_t) override { return Pick{&none_, 0}; }

private:
    Task none_;
};

class Reaching final : public Queue {
public:
    std::optional<std::uint32_t> preempt(std::uint64_t) override { return 99; }
};

class Asserting final : public Queue {
public:
    void stopped(Task&, abi::Cause, std::uint64_t now_ns) override { COX_ASSERT(now_ns < 5'000'000); }
};

// Waits for a tick that changes nothing.
class Ticking final : public Queue {
public:
    std::uint64_t may_idle_ns() const override { return sched::kNever; }
    std::optional<Pick> pick_next(std::uint32_t, std::uint64_t) override { return std::nullopt; }
    std::uint64_t next_tick_ns() const override { return next_ns_; }
    void tick(std::uint64_t now_ns) override { next_ns_ = now_ns + 10'000'000; }

private:
    std::uint64_t next_ns_ = 0;
};

const sim::Scenario& work() {
    static const sim::Scenario made = scenario(
        "cpus 2\nthreads 10 run exp:1ms sleep exp:1ms times 30\nthreads 2 run 3ms sleep 1ms times 5 cpus 1");
    return made;
}

}  // namespace

TEST_CASE("violation: none of a good policy") {
    Queue good;
    CHECK(complaint(good, work()) == "");
}

TEST_CASE("violation: a lost thread") {
    Lossy lossy;
    CHECK_THAT(complaint(lossy, work()),
               Contains("the policy has lost thread ") && Contains("step ") && Contains(" ns: "));
}

TEST_CASE("violation: a lost thread beside CPUs that are never idle") {
    Lossy lossy;
    const auto busy = scenario("cpus 2\nend 1s\nthreads 60 run 10ms times 1000");
    CHECK_THAT(complaint(lossy, busy), Contains("the policy has lost thread 49 "));
}

TEST_CASE("violation: a thread picked twice") {
    Doubling doubling;
    CHECK_THAT(complaint(doubling, work()), Contains("a thread that is picked already, on CPU ") ||
                                                Contains("a thread that is not enqueued"));
}

TEST_CASE("violation: a CPU where the thread may not run") {
    Trespassing trespassing;
    CHECK_THAT(complaint(trespassing, work()), Contains("for CPU 0: where it may not run"));
}

TEST_CASE("violation: a CPU that idles beside work, unless the policy promises no more") {
    const auto anywhere = scenario("cpus 2\nthreads 10 run exp:1ms sleep exp:1ms times 30");
    Idling idling(0);
    CHECK_THAT(complaint(idling, anywhere),
               Contains("CPU 1 has been idle beside an enqueued thread that may run there"));
    Idling short_promise(1'000'000);
    CHECK_THAT(complaint(short_promise, anywhere), Contains("the policy promises at most 1000000 ns"));
    Idling honest(30'000'000);
    CHECK(complaint(honest, anywhere) == "");
}

TEST_CASE("violation: what is no thread, and no CPU") {
    Inventing inventing;
    CHECK_THAT(complaint(inventing, work()), Contains("the policy picked for CPU 0 what is no thread"));
    Reaching reaching;
    CHECK_THAT(complaint(reaching, work()), Contains("the policy preempts CPU 99, which is none"));
}

TEST_CASE("violation: a failed assertion of the policy") {
    Asserting asserting;
    CHECK_THAT(complaint(asserting, work()),
               Contains("assertion failed: ") && Contains("now_ns < 5'000'000"));
}

TEST_CASE("violation: nothing but ticks") {
    Ticking ticking;
    CHECK_THAT(complaint(ticking, work()), Contains("nothing but ticks has happened for 10 s"));
}
