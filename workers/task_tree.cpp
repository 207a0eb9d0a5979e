// SPDX-License-Identifier: MIT
//
// task_tree: a tree of threads, uneven by its seed. A thread makes its children, which other CPUs may steal, does some work of its own,
// more or less by chance, and joins them.
//
// Series `start`: from a child's start to its first instruction. Operations: threads. Fault `lose_node`: one child is
// left out.
#include "cap/joining_thread.hpp"
#include "workload/frame.hpp"
#include "workload/random.hpp"
#include "workload/work.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace {

using workload::Random;

constexpr std::uint64_t kNodes = 20;  // times scale
constexpr std::uint64_t kMaxNodes = 1'000;
constexpr std::size_t kMaxChildren = 4;
constexpr std::uint64_t kLeastSteps = 10'000;
constexpr std::uint64_t kMoreSteps = 190'000;  // at most

struct Node {
    std::uint64_t seed;
    std::uint64_t size;  // of the tree below it, itself included
};

// What a tree amounts to.
struct Sum {
    std::uint64_t nodes = 0;
    std::uint64_t outcomes = 0;
};
Sum operator+(const Sum& a, const Sum& b) { return {a.nodes + b.nodes, a.outcomes + b.outcomes}; }

// A node's work and children, as its seed has them.
class Plan {
public:
    explicit Plan(const Node& node)
        : random_(node.seed), left_(node.size - 1), steps_(kLeastSteps + random_.below(kMoreSteps)) {}

    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    std::optional<Node> next_child() {
        if (left_ == 0) {
            return std::nullopt;
        }
        const bool last = ++children_ == kMaxChildren;
        const std::uint64_t size = last ? left_ : 1 + random_.below(left_);
        left_ -= size;
        return Node{random_.next(), size};
    }

private:
    Random random_;
    std::uint64_t left_;
    std::uint64_t steps_;
    std::size_t children_ = 0;
};

struct Child {
    Node node{};
    Sum sum{};
    std::uint64_t started = 0;  // TSC
    cap::JoiningThread thread;
};

// Of the whole tree. Read when all threads have been joined.
struct Tree {
    const cap::Env* env = nullptr;
    std::atomic<bool> lose_one{false};
    std::atomic<std::uint64_t> failures{0};  // threads that could not be made or joined
    std::atomic<std::uint64_t> started{0};
    std::array<std::uint64_t, kMaxNodes> starts{};  // each node's, in the order in which they ran
} tree;

Sum grow(cap::Ring& ring, const Node& node);

cap::Result<void> spawn(Child& child) {
    child.thread = TRY(cap::JoiningThread::create(*tree.env, [&child](cap::Ring& ring) {
        const std::uint64_t now = cap::read_tsc();
        const std::uint64_t place = tree.started.fetch_add(1, std::memory_order_relaxed);
        tree.starts[place % kMaxNodes] = now - child.started;
        child.sum = grow(ring, child.node);
    }));
    child.started = cap::read_tsc();
    return child.thread->start();
}

Sum grow(cap::Ring& ring, const Node& node) {
    Plan plan(node);
    std::array<Child, kMaxChildren> children;
    std::size_t count = 0;
    while (const auto planned = plan.next_child()) {
        if (planned->size == 1 && tree.lose_one.exchange(false, std::memory_order_relaxed)) {
            continue;
        }
        Child& child = children[count++];
        child.node = *planned;
        if (!spawn(child)) {
            tree.failures.fetch_add(1, std::memory_order_relaxed);
        }
    }
    Sum sum{1, workload::work(node.seed, plan.steps())};
    for (std::size_t i = 0; i < count; ++i) {
        if (children[i].thread.joinable() && !children[i].thread.join(ring)) {
            tree.failures.fetch_add(1, std::memory_order_relaxed);
        }
        sum = sum + children[i].sum;
    }
    return sum;
}

Sum expected(const Node& node) {
    Plan plan(node);
    Sum sum{1, workload::outcome(node.seed, plan.steps())};
    while (const auto child = plan.next_child()) {
        sum = sum + expected(*child);
    }
    return sum;
}

cap::Result<void> task_tree(workload::Context& context) {
    const Node root{context.seed, std::min(kNodes * context.scale, kMaxNodes)};
    tree.env = &context.env;
    tree.lose_one = context.faulty;
    TRY(context.report.begin());
    const Sum sum = grow(context.env.ring, root);
    TRY(context.report.end(root.size));

    static workload::Histogram starts;
    const std::uint64_t started = tree.started.load(std::memory_order_relaxed);
    for (std::uint64_t i = 0; i < started; ++i) {
        starts.add(tree.starts[i]);
    }
    const Sum right = expected(root);
    context.report.check(tree.failures == 0, "{} threads could not be made or joined", tree.failures.load());
    context.report.check(sum.nodes == right.nodes, "{} nodes of {}", sum.nodes, right.nodes);
    context.report.check(sum.outcomes == right.outcomes, "the outcomes' sum is {:x}, not {:x}", sum.outcomes,
                         right.outcomes);
    context.report.series("start", starts);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"task_tree", "lose_node", task_tree}); }
