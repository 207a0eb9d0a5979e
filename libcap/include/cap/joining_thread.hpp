// SPDX-License-Identifier: MIT
//
// JoiningThread: a sibling thread that runs a function or lambda and is joined, by join() or at the end of the
// handle. Then its stack, ring and thread-local variables are used for others.
//
//     std::uint64_t sum = 0;
//     auto adder = TRY(cap::JoiningThread::start(env, [&] { sum = add_up(); }));
//     TRY(adder.join(env.ring));  // its exit code: what the function returned, 0 if nothing
//
// The function is called as f(ring), with the new thread's ring, if it can be, and else as f(). It is copied onto the
// new thread's stack, and never destroyed. The handle is not for use by several threads at once.
#pragma once

#include "cap/threads.hpp"

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace cap {

class JoiningThread {
public:
    // Not started.
    template <class Function>
    [[nodiscard]] static Result<JoiningThread> create(const Env& env, Function function,
                                                      const ThreadOptions& options = {}) {
        static_assert(std::is_trivially_destructible_v<Function>, "a killed thread does not clean up");
        const auto copy = [](void* to, void* from) {
            new (to) Function(std::move(*static_cast<Function*>(from)));
        };
        return create_with(env, run<Function>, copy, &function, sizeof(Function), alignof(Function), options);
    }
    template <class Function>
    [[nodiscard]] static Result<JoiningThread> start(const Env& env, Function function,
                                                     const ThreadOptions& options = {}) {
        JoiningThread thread = TRY(create(env, std::move(function), options));
        TRY(thread->start());
        return thread;
    }

    JoiningThread() = default;
    JoiningThread(JoiningThread&& other) noexcept
        : env_(other.env_),
          thread_(std::exchange(other.thread_, {})),
          block_(other.block_),
          stack_pages_(other.stack_pages_),
          pooled_(other.pooled_) {}
    JoiningThread& operator=(JoiningThread&& other) noexcept {
        JoiningThread(std::move(other)).swap(*this);  // what it held is joined
        return *this;
    }
    // Joins with the calling thread's ring; a thread that was never started is killed first. The program ends if
    // it cannot be joined: somebody else has done so with a capability of their own.
    ~JoiningThread() {
        if (thread_) {
            end();
        }
    }

    const Thread* operator->() const { return &thread_; }
    [[nodiscard]] bool joinable() const { return static_cast<bool>(thread_); }

    // Waits until it has gone -> its exit code. Of an error, it can be joined still.
    [[nodiscard]] Result<std::uint64_t> join(Ring& ring);

private:
    template <class Function>
    static std::uint64_t run(Ring& ring, void* argument) {
        Function& function = *static_cast<Function*>(argument);
        const auto call = [&] {
            if constexpr (std::is_invocable_v<Function&, Ring&>) {
                return function(ring);
            } else {
                return function();
            }
        };
        if constexpr (std::is_void_v<decltype(call())>) {
            call();
            return 0;
        } else {
            return static_cast<std::uint64_t>(call());
        }
    }

    static Result<JoiningThread> create_with(const Env& env, ThreadFunction run,
                                             void (*copy)(void* to, void* from), void* function,
                                             std::size_t size, std::size_t alignment,
                                             const ThreadOptions& options);
    void end();
    void swap(JoiningThread& other) noexcept {
        std::swap(env_, other.env_);
        std::swap(thread_, other.thread_);
        std::swap(block_, other.block_);
        std::swap(stack_pages_, other.stack_pages_);
        std::swap(pooled_, other.pooled_);
    }

    const Env* env_ = nullptr;
    Thread thread_;
    std::uint64_t block_ = 0;
    std::uint64_t stack_pages_ = 0;
    bool pooled_ = false;
};

}  // namespace cap
