// SPDX-License-Identifier: MIT
//
// FakeKernel: the kernel's side of the scheduling protocol (docs/scheduling.md) as a plain model, for tests
// of the server. A step is atomic; races are made by the test, which chooses in which order events are taken,
// decisions are made and commits arrive. Recalls are served only when serve() is called, as the owning CPU
// would at its next entry.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "abi/error.hpp"
#include "commit.hpp"
#include "dispatcher.hpp"

namespace test {

namespace abi = cox::abi;

class FakeKernel {
public:
    static constexpr std::uint64_t kAll = ~std::uint64_t{0};

    explicit FakeKernel(std::uint64_t cpus);

    sched::Dispatcher::Table table() const {
        return sched::Dispatcher::Table(lines_.get(), abi::kStatusLines);
    }
    std::uint64_t cpus() const { return cpus_; }
    std::uint64_t agents() const { return agents_; }  // the CPUs that have one
    // The domain loses a CPU, whose agent goes on, or has it again. `told` false: its line and its event come only with tell_cpus().
    void take_cpu(std::uint32_t cpu, bool told = true);
    void return_cpu(std::uint32_t cpu);
    void tell_cpus();

    // Threads. create() reuses the lowest line that is free, with a new generation.
    std::uint32_t create(std::uint64_t affinity = kAll, std::uint32_t domain = 1, std::uint32_t cpu = 0,
                         std::uint64_t label = 0);
    void start(std::uint32_t line);
    void wake(std::uint32_t line);
    void suspend(std::uint32_t line);  // not one that waits
    void resume(std::uint32_t line);
    void set_affinity(std::uint32_t line, std::uint64_t affinity);
    void kill(std::uint32_t line);  // waiting, unplaced or on a CPU: gone
    void free(std::uint32_t line);  // a gone thread's line may be reused
    // What the kernel does with an unplaced thread in fallback.
    void place_by_kernel(std::uint32_t line, std::uint32_t cpu);

    // What the running thread of a CPU does.
    void block(std::uint32_t cpu);
    void exit(std::uint32_t cpu);

    // Calls: each thread has an endpoint of its own. What the running thread of a CPU does:
    void receive(std::uint32_t cpu);  // the first that waits for it, or waits
    // `directly`: on the caller's time, if the server waits and may run there.
    void call(std::uint32_t cpu, std::uint32_t server, bool directly = false);
    void reply_and_receive(std::uint32_t cpu);  // to the caller if it waits still
    bool serves_somebody(std::uint32_t line) const { return calls_[line].caller.has_value(); }
    bool on_loan(std::uint32_t line) const { return calls_[line].lenders != 0; }
    // Whose reply the thread waits for.
    std::optional<std::uint32_t> waits_for(std::uint32_t line) const { return calls_[line].server; }
    void slice_end(std::uint32_t cpu);  // nothing unless another waits there

    abi::Error commit(const sched::CommitRequest& request);
    void serve(std::uint32_t cpu);  // takes the requests of the threads on this CPU

    // An event of the agent of that CPU, released.
    std::optional<std::uint32_t> take_event(std::uint32_t cpu);

    abi::ThreadWord word(std::uint32_t line) const { return {lines_[line].word.load()}; }
    abi::ThreadRef ref(std::uint32_t line) const { return abi::ThreadRef::from_raw(lines_[line].ref.load()); }
    std::uint64_t affinity(std::uint32_t line) const { return lines_[line].affinity.load(); }
    bool in_domain(std::uint32_t line) const { return lines_[line].domain.load() == 1; }
    // The threads on a CPU: the running one, then the queue.
    const std::deque<std::uint32_t>& on(std::uint32_t cpu) const { return queues_[cpu]; }
    std::optional<std::uint32_t> running(std::uint32_t cpu) const;
    // All lines whose thread is in that state.
    std::vector<std::uint32_t> in_state(abi::ThreadState state) const;
    bool has_requests(std::uint32_t cpu) const;

private:
    struct Calls {
        bool receives = false;
        std::optional<std::uint32_t> caller;  // whom it serves
        std::optional<std::uint32_t> server;  // while it waits for a reply
        std::deque<std::uint32_t> queue;      // who waits to be received
        std::uint32_t lenders = 0;
    };

    void end_waits(std::uint32_t line);
    void end_service(std::uint32_t line);
    void end_loan(std::uint32_t line);
    void serve_caller(std::uint32_t server, std::uint32_t caller);
    void enter(std::uint32_t line, abi::ThreadState state, abi::Cause cause, bool new_sequence);
    void leave_cpu(std::uint32_t line);
    void put_on(std::uint32_t line, std::uint32_t cpu, bool at_head, bool by_kernel);
    void dispatch(std::uint32_t cpu);
    void post(std::uint32_t line, std::uint32_t cpu);

    std::uint64_t cpus_;
    std::uint64_t agents_;
    std::unique_ptr<abi::StatusLine[]> lines_;
    std::array<std::deque<std::uint32_t>, abi::kMaxCpus> queues_;
    std::array<std::deque<std::uint32_t>, abi::kMaxCpus> events_;
    std::vector<bool> stands_;  // in a ring, by line
    std::vector<Calls> calls_;  // by line
};

}  // namespace test
