// SPDX-License-Identifier: MIT
//
// Polled: the calling thread's ring has a poller as long as this lives. Then that is killed and joined, and the ring is empty.
#pragma once

#include "suite.hpp"
#include "support/patience.hpp"

#include <utility>

namespace test {

class Polled {
public:
    [[nodiscard]] static cap::Result<Polled> make(const cap::Thread& self, cap::Ring& ring,
                                                  const cap::PollOptions& options = {}) {
        return Polled(ring, TRY(self.poll(ring, options)));
    }
    Polled(Polled&& other) noexcept : ring_(other.ring_), poller_(std::exchange(other.poller_, {})) {}
    Polled& operator=(Polled&&) = delete;
    ~Polled() {
        if (poller_) {
            (void)poller_.kill(0);
            (void)poller_.join(ring_, patience_ns);
            poller_.drop();
        }
    }

    const cap::Thread* operator->() const { return &poller_; }
    [[nodiscard]] abi::ThreadWord word() const {
        const auto status = poller_.status();
        return status ? status->word : abi::ThreadWord{};
    }
    [[nodiscard]] bool reaches(const cap::Clock& clock, abi::ThreadState state) const {
        return eventually(clock, [&] { return word().state() == state; });
    }

private:
    Polled(cap::Ring& ring, cap::Thread poller) : ring_(ring), poller_(poller) {}

    cap::Ring& ring_;
    cap::Thread poller_;
};

// Spins until something has completed, with a call only where the poller needs one -> it; none: nothing comes.
inline std::optional<abi::Completion> spin_for_next(const cap::Env& env, cap::Ring& ring) {
    const std::uint64_t begin = env.clock.now_ns();
    for (;;) {
        if (const auto completion = ring.next()) {
            return completion;
        }
        if (!ring.submit_and_wait(0) || env.clock.now_ns() - begin > patience_ns) {
            return std::nullopt;
        }
    }
}

}  // namespace test
