// SPDX-License-Identifier: MIT
//
// SimThread: a thread of a simulation: what the policy sees (Task), what the model of the kernel knows, what the model
// of the server knows (as Record in sched-server/record.hpp), and how it behaves.
#pragma once

#include "call_graph.hpp"
#include "core/intrusive_queue.hpp"
#include "random.hpp"
#include "record.hpp"

#include <cstdint>

namespace sim {

namespace abi = cox::abi;

inline constexpr std::uint64_t kNotWoken = ~std::uint64_t{0};

struct SimThread : sched::CallNode {
    // The kernel's.
    abi::ThreadState state = abi::ThreadState::kCreated;
    abi::Cause cause = abi::Cause::kNone;
    std::uint32_t sequence = 0;
    std::uint32_t word_cpu = 0;            // where it is, or was last
    std::uint64_t service_ns = 0;          // so far
    std::uint64_t stopped_service_ns = 0;  // when it last stopped, which is what the server is shown
    std::uint64_t slice_ns = 0;            // 0: none
    std::uint64_t slice_used_ns = 0;
    std::uint64_t since_ns = 0;  // when it last became runnable
    std::uint64_t hint_slice_ns = 0;
    std::uint32_t hint = 0;
    std::uint32_t hint_cpu = 0;
    bool event_pending = false;
    bool ran = false;
    std::uint32_t ran_on = 0;
    cox::core::QueueNode<SimThread> run_node;

    // Its calls, as the kernel knows them.
    SimThread* serves = nullptr;  // whose call it has received and not answered
    SimThread* server = nullptr;  // who has received its own call
    SimThread* named = nullptr;   // for whom it waits, as its line says
    bool lends = false;           // its server runs on its time, and its line names nobody
    std::uint32_t loan = 0;       // how many lend their time to it, one to the other; 0: it runs on its own

    // The server's.
    sched::Place place = sched::Place::kNone;
    bool commit_under_way = false;
    std::uint32_t known_sequence = 0;
    std::uint64_t commit_slice_ns = 0;
    std::uint32_t known_hints = 0;
    std::uint32_t recalled_for = sched::Record::kNobody;
    bool known = false;             // to the policy
    std::uint64_t enqueued_ns = 0;  // since when, while it is
    std::uint32_t mask = 0;         // which of the sets of CPUs that threads may run on
    cox::core::QueueNode<SimThread> placed_node;

    // Its behaviour.
    Random random;
    std::uint32_t crew = 0;
    std::uint32_t in_crew = 0;       // which thread of the crew
    std::uint64_t turns = 0;         // begun
    std::uint64_t remaining_ns = 0;  // of this turn
    std::uint64_t release_ns = 0;    // periodic: when this turn could begin
    std::uint64_t born_ns = 0;
    bool calls_now = false;         // this turn has a call, and that is still to come
    std::uint64_t then_ns = 0;      // of this turn, after the reply
    std::uint64_t called_ns = 0;    // when
    SimThread* begun_by = nullptr;  // whose turn this is: of a server, the first of the chain of callers
    std::size_t calling_at = 0;     // where it stands in World::calling

    // For the report.
    std::uint64_t ideal_ns = 0;          // when it would be here with a CPU of its own
    std::uint64_t woken_ns = kNotWoken;  // until it runs
    std::uint64_t waiting_since_ns = 0;  // while unplaced or queued
    std::uint64_t waited_ns = 0;         // so far
    const SimThread* claim = nullptr;    // the most urgent of those for whom it works: InversionWatch
    std::uint64_t claim_epoch = 0;
    std::uint64_t waiting_epoch = 0;
    std::uint64_t inverted_ns = 0;  // how long one with less claim has run since it waits for a CPU
};

using RunQueue = cox::core::IntrusiveQueue<SimThread, &SimThread::run_node>;
using PlacedList = cox::core::IntrusiveQueue<SimThread, &SimThread::placed_node>;

inline bool waits_for_reply(const SimThread& thread) {
    return thread.state == abi::ThreadState::kWaiting && thread.cause == abi::Cause::kCalls;
}

}  // namespace sim
