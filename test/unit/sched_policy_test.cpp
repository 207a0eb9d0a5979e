// SPDX-License-Identifier: MIT
#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "cap/format.hpp"
#include "registry.hpp"

using namespace sched;

namespace {

struct Fixture {
    explicit Fixture(std::string_view name) : policy(find_policy(name)->make(*storage)) {
        for (Task& task : tasks) {
            task.affinity = ~std::uint64_t{0};
        }
    }
    void enqueue_all() {
        for (Task& task : tasks) {
            policy.enqueue(task, abi::Cause::kStarted, 0);
        }
    }

    std::unique_ptr<PolicyStorage> storage = std::make_unique<PolicyStorage>();
    Policy& policy;
    std::array<Task, 3> tasks;
};

}  // namespace

TEST_CASE("sched policy: every entry makes the policy of its name") {
    for (const PolicyEntry& entry : known_policies()) {
        auto storage = std::make_unique<PolicyStorage>();
        CHECK(entry.make(*storage).name() == entry.name);
        CHECK(find_policy(entry.name) == &entry);
    }
    CHECK(find_policy("nosuch") == nullptr);
    CHECK(find_policy("") == nullptr);
}

TEST_CASE("sched policy: an unknown name is refused with the list") {
    std::string expected = "error: policy \"nosuch\" unknown; known:";
    for (const PolicyEntry& entry : known_policies()) {
        expected += " " + std::string(entry.name);
    }
    cap::LineBuffer<256> line;
    print_unknown_policy(line, "nosuch");
    CHECK(line.view() == expected);
    CHECK(find_policy("fifo") != nullptr);
    CHECK(find_policy("round_robin") != nullptr);
}

TEST_CASE("sched policy: threads are picked in the order in which they came, once") {
    for (const char* name : {"fifo", "round_robin"}) {
        Fixture f(name);
        CHECK(!f.policy.pick_next(0, 0));
        f.enqueue_all();
        for (Task& task : f.tasks) {
            CHECK(f.policy.pick_next(0, 0)->task == &task);
        }
        CHECK(!f.policy.pick_next(0, 0));
    }
}

TEST_CASE("sched policy: affinity is respected, and nobody else is held up by it") {
    for (const char* name : {"fifo", "round_robin"}) {
        Fixture f(name);
        f.tasks[0].affinity = 0b10;
        f.enqueue_all();
        CHECK(f.policy.pick_next(0, 0)->task == &f.tasks[1]);
        CHECK(f.policy.pick_next(1, 0)->task == &f.tasks[0]);
        CHECK(f.policy.pick_next(0, 0)->task == &f.tasks[2]);
    }
}

TEST_CASE("sched policy: a removed thread is not picked") {
    for (const char* name : {"fifo", "round_robin"}) {
        Fixture f(name);
        f.enqueue_all();
        f.policy.remove(f.tasks[1]);
        CHECK(f.policy.pick_next(0, 0)->task == &f.tasks[0]);
        CHECK(f.policy.pick_next(0, 0)->task == &f.tasks[2]);
        CHECK(!f.policy.pick_next(0, 0));
    }
}

TEST_CASE("sched policy: round_robin has slices and a second thread to switch to, fifo neither") {
    Fixture fifo("fifo");
    Fixture round_robin("round_robin");
    fifo.enqueue_all();
    round_robin.enqueue_all();
    CHECK(fifo.policy.depth() == 1);
    CHECK(fifo.policy.pick_next(0, 0)->slice_ns == abi::kNoSlice);
    CHECK(round_robin.policy.depth() == 2);
    CHECK(round_robin.policy.pick_next(0, 0)->slice_ns >= abi::kMinSliceNs);
}
