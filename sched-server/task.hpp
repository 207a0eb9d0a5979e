// SPDX-License-Identifier: MIT
//
// Task: a thread as a policy sees it, and TaskQueue: the first-in, first-out queue for those that are enqueued.
#pragma once

#include "abi/sched.hpp"
#include "abi/types.hpp"
#include "augmented_tree.hpp"
#include "core/intrusive_queue.hpp"

#include <array>
#include <cstdint>

namespace sched {

namespace abi = cox::abi;

class TaskQueue;

struct Task {
    // Kept by the server.
    abi::ThreadRef ref;
    std::uint64_t affinity = 0;  // mask of CPUs; does not change while the task is enqueued
    std::uint64_t label = 0;
    std::uint64_t runtime_ns = 0;         // until it last stopped
    std::uint64_t runnable_since_ns = 0;  // on the clock of `now_ns`
    std::uint32_t last_cpu = 0;           // where it ran last
    std::uint32_t cpu = 0;                // while picked or adopted: where it is placed
    // Where the policy inherits: whose claim counts in place of its own, since that thread waits for a reply from it, or from one
    // that waits for it in turn. nullptr: its own. Does not change while the task is enqueued.
    Task* donor = nullptr;

    // The policy's own. Zero for a new thread, and for a policy that has just taken over.
    cox::core::QueueNode<Task> queue_node;
    TaskQueue* queue = nullptr;  // in which queue_node stands
    TreeNode<Task> tree_node;    // remove() knows nothing of it
    std::array<std::uint64_t, 8> scratch{};

    // Masks have 64 bits; the CPUs beyond, which only a simulation has, are for tasks that may run anywhere.
    [[nodiscard]] bool may_run_on(std::uint32_t on) const {
        if (on < 64) [[likely]] {
            return (affinity >> on & 1) != 0;
        }
        return affinity == ~std::uint64_t{0};
    }
};

// Each task knows in which queue it stands, so that whoever removes it need not.
class TaskQueue {
    using Links = cox::core::IntrusiveQueue<Task, &Task::queue_node>;

public:
    [[nodiscard]] bool empty() const { return links_.empty(); }
    [[nodiscard]] std::size_t size() const { return links_.size(); }
    [[nodiscard]] Task* front() const { return links_.front(); }
    [[nodiscard]] Task* next(const Task& task) const { return links_.next(task); }

    void push_back(Task& task) {
        links_.push_back(task);
        task.queue = this;
    }
    void push_front(Task& task) {
        links_.push_front(task);
        task.queue = this;
    }
    void remove(Task& task) {
        links_.remove(task);
        task.queue = nullptr;
    }
    // nullptr when empty.
    Task* pop_front() {
        Task* const task = links_.pop_front();
        if (task != nullptr) {
            task->queue = nullptr;
        }
        return task;
    }
    // The first task that may run on the CPU, taken out; nullptr if there is none. Linear in those before it.
    [[gnu::always_inline]] Task* take_first(std::uint32_t cpu) {
        if (!empty() && front()->may_run_on(cpu)) [[likely]] {
            return pop_front();
        }
        return take_behind(cpu);
    }

    // Front to back; as in IntrusiveQueue, the task that an iterator stands on must not be removed.
    [[nodiscard]] auto begin() const { return links_.begin(); }
    [[nodiscard]] auto end() const { return links_.end(); }

private:
    // Saves what its caller has in registers itself, since it is seldom called.
    [[gnu::noinline, clang::preserve_most]] Task* take_behind(std::uint32_t cpu) {
        for (Task& task : links_) {
            if (task.may_run_on(cpu)) {
                remove(task);
                return &task;
            }
        }
        return nullptr;
    }

    Links links_;
};

}  // namespace sched
