// SPDX-License-Identifier: MIT
//
// Agent: the loop of one agent thread, pinned to its CPU. Each round takes what the kernel said (events,
// refused commits), decides under the server's lock, and waits for the next event in the call that carries its commit; more than
// one go through the ring before. It never polls: with nothing to do it waits in the kernel.
#pragma once

#include "cap/event_ring.hpp"
#include "cap/ring.hpp"
#include "server.hpp"

#include <cstdint>

namespace sched {

class Agent {
public:
    // `nudge` is signalled when something else than an event is to be looked at.
    Agent(Server& server, cap::Ring& ring, std::uint64_t event_ring_address, cap::Notification nudge);

    // Returns only when the server is about to end, and then for the thread to end with it; never while the server retires.
    void run();

private:
    struct Refusal {
        CommitTag tag;
        abi::Error error;
    };

    // Events per round: bounds the time under the lock. What is left makes the next round begin at once.
    static constexpr int kEventsPerRound = 64;

    // -> for how long nothing is left to do unless there is an event; 0: there is something left.
    std::uint64_t take_and_decide() __attribute__((requires_capability(server_.lock)));
    // -> how long to wait for the policy's next tick: kForever where another agent does, or there is none.
    std::uint64_t await_tick(std::uint64_t now_ns) __attribute__((requires_capability(server_.lock)));
    void take_completion(const abi::Completion& completion, std::uint64_t now_ns)
        __attribute__((requires_capability(server_.lock)));
    void take_refusal(CommitTag tag, abi::Error error, std::uint64_t now_ns)
        __attribute__((requires_capability(server_.lock)));
    [[nodiscard]] cap::Result<void> submit();
    void send(std::uint64_t wait_ns);
    // What the kernel has said besides events, and what the main thread wants.
    [[gnu::noinline]] void hear(std::uint64_t now_ns) __attribute__((requires_capability(server_.lock)));
    [[nodiscard]] [[gnu::noinline]] bool passes_over(std::uint32_t line);

    Server& server_;
    cap::Ring& ring_;
    cap::EventConsumer events_;
    CommitBatch batch_;
    cap::Notification nudge_;
    std::optional<Refusal> refused_;  // by the last call
    bool told_ = true;                // the last call has said more than that there are events
    const bool faulty_;
    bool nudge_under_way_ = false;
    bool errand_done_ = false;  // the main thread is to be told
    bool awaits_tick_ = false;
    abi::Error fatal_ = abi::Error::kOk;
};

}  // namespace sched
