// SPDX-License-Identifier: MIT
//
// Sibling: a thread of the test's own process. It is killed, and has gone, when this object ends, so it may work on
// what stands on the case's stack.
#pragma once

#include "cap/threads.hpp"
#include "support/patience.hpp"

#include <utility>

namespace test {

class Sibling {
public:
    // Not started.
    [[nodiscard]] static cap::Result<Sibling> create(const cap::Env& env, cap::ThreadFunction function,
                                                     void* argument, const cap::ThreadOptions& options = {}) {
        return Sibling(env.clock, TRY(cap::create_sibling(env, function, argument, options)));
    }
    [[nodiscard]] static cap::Result<Sibling> start(const cap::Env& env, cap::ThreadFunction function,
                                                    void* argument, const cap::ThreadOptions& options = {}) {
        Sibling sibling = TRY(create(env, function, argument, options));
        TRY(sibling->start());
        return sibling;
    }

    Sibling(Sibling&& other) noexcept : clock_(other.clock_), thread_(std::exchange(other.thread_, {})) {}
    Sibling& operator=(Sibling&&) = delete;
    ~Sibling() {
        if (thread_) {
            (void)thread_.kill(0);
            (void)wait();
            thread_.drop();
        }
    }

    const cap::Thread* operator->() const { return &thread_; }

    [[nodiscard]] cox::abi::ThreadWord word() const {
        const auto status = thread_.status();
        return status ? status->word : cox::abi::ThreadWord{};
    }
    [[nodiscard]] cox::abi::ThreadState state() const { return word().state(); }
    // Until it is in that state -> whether it was seen there.
    [[nodiscard]] bool reaches(cox::abi::ThreadState state) const {
        return eventually(clock_, [&] { return this->state() == state; });
    }
    // Until it has gone.
    [[nodiscard]] bool wait() const { return reaches(cox::abi::ThreadState::kGone); }

private:
    Sibling(const cap::Clock& clock, cap::Thread thread) : clock_(clock), thread_(thread) {}

    const cap::Clock& clock_;
    cap::Thread thread_;
};

inline std::uint64_t only(std::uint64_t cpu) { return std::uint64_t{1} << cpu; }

}  // namespace test
