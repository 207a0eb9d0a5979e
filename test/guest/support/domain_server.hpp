// SPDX-License-Identifier: MIT
//
// DomainServer: the test itself as the scheduler server of a domain, the root's unless another is named. It attaches when it is
// made and detaches when it is destroyed.
//
// Its agents are silent unless a case starts them: created, never started, so that events stand in their
// rings until the case takes them, and nothing is committed but what the case commits. The watchdog knows
// nothing of silent agents; tests that use them run with a large `watchdog_ms`.
#pragma once

#include "cap/event_ring.hpp"
#include "cap/sched_domain.hpp"
#include "cap/threads.hpp"
#include "support/crew.hpp"

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>

namespace test {

using cap::EventConsumer;
using cap::EventEntries;
using cap::kEventShape;

struct AgentSeat {
    cap::Thread thread;
    std::uint64_t ring_address = 0;
    std::optional<EventConsumer> events;

    [[nodiscard]] std::atomic<std::uint64_t>& head() const {
        return reinterpret_cast<abi::EventRingHeader*>(ring_address)->head;
    }
    // What stands in the ring where `offset` entries have been taken after those that were.
    [[nodiscard]] std::uint64_t entry(std::uint64_t offset = 0) const {
        return EventEntries{ring_address}(kEventShape.index(events->position() + offset)).load();
    }
    // Whether something was published there: it has the lap of its position.
    [[nodiscard]] bool published(std::uint64_t offset = 0) const {
        return entry(offset) >> 32 == kEventShape.lap(events->position() + offset);
    }
};

// A consistent copy of a status line.
struct Line {
    abi::ThreadWord word;
    abi::ThreadRef ref;
    std::uint64_t runtime_ns = 0;
    std::uint64_t wakes = 0;
    std::uint64_t affinity = 0;
    std::uint64_t label = 0;
    std::uint32_t domain = 0;

    friend bool operator==(const Line&, const Line&) = default;
};

inline constexpr std::uint64_t kAllCpus = ~std::uint64_t{0};

class DomainServer {
public:
    // With a silent agent on each CPU of the mask. If anything fails the case has failed.
    explicit DomainServer(Case& t, std::uint64_t silent_agents = kAllCpus, cap::SchedDomain domain = {});
    ~DomainServer();
    DomainServer(const DomainServer&) = delete;
    DomainServer& operator=(const DomainServer&) = delete;

    [[nodiscard]] cap::SchedDomain domain() const { return domain_; }
    [[nodiscard]] std::uint32_t number() const { return number_; }
    [[nodiscard]] std::uint64_t table_address() const { return table_; }
    [[nodiscard]] AgentSeat& agent(std::uint32_t cpu) { return agents_[cpu]; }
    [[nodiscard]] cap::Result<void> add_agent(std::uint32_t cpu, cap::ThreadFunction function,
                                              void* argument);

    [[nodiscard]] Line line(std::uint32_t index) const;
    [[nodiscard]] Line line(const Worker& worker) const { return line(worker.ref.index); }
    // Of the mask, those that are the domain's, as the CPUs' lines say.
    [[nodiscard]] std::uint64_t cpus_of(std::uint64_t mask) const;
    [[nodiscard]] Line cpu_line(std::uint32_t cpu) const { return line(abi::kMaxThreads + cpu); }

    [[nodiscard]] cap::Result<void> commit(const Worker& worker, std::uint32_t sequence, std::uint32_t cpu,
                                           std::uint32_t flags = 0,
                                           std::uint64_t slice_ns = abi::kNoSlice) const {
        return domain_.commit(worker.ref, sequence, cpu, flags, slice_ns);
    }
    // With the sequence number that the line shows.
    [[nodiscard]] cap::Result<void> place(const Worker& worker, std::uint32_t cpu, std::uint32_t flags = 0,
                                          std::uint64_t slice_ns = abi::kNoSlice) const {
        return commit(worker, line(worker).word.sequence(), cpu, flags, slice_ns);
    }
    // Starts a created worker and places it.
    [[nodiscard]] cap::Result<void> start(const Worker& worker, std::uint32_t cpu,
                                          std::uint64_t slice_ns = abi::kNoSlice) const {
        TRY(worker.thread.start());
        return place(worker, cpu, 0, slice_ns);
    }

    // How the kernel shall place the worker by itself.
    [[nodiscard]] abi::HintLine& hint_line(std::uint32_t index) const {
        return reinterpret_cast<abi::HintLine*>(hints_)[index];
    }
    [[nodiscard]] abi::HintLine& hint_line(const Worker& worker) const { return hint_line(worker.ref.index); }
    void hint(abi::ThreadRef ref, std::uint32_t flags, std::uint32_t cpu,
              std::uint64_t slice_ns = abi::kNoSlice) const {
        hint_line(ref.index).slice_ns = slice_ns;
        hint_line(ref.index).word = abi::hint_word(ref.generation, cpu, flags);
    }
    void hint(const Worker& worker, std::uint32_t flags, std::uint32_t cpu,
              std::uint64_t slice_ns = abi::kNoSlice) const {
        hint(worker.ref, flags, cpu, slice_ns);
    }

    // Takes every event from every ring. heard() then says whether this line was among them since it was last
    // asked.
    std::uint64_t listen();
    [[nodiscard]] bool heard(std::uint32_t index);
    [[nodiscard]] bool heard(const Worker& worker) { return heard(worker.ref.index); }
    [[nodiscard]] bool heard_cpu(std::uint32_t cpu) { return heard(abi::kMaxThreads + cpu); }
    void forget() {
        listen();
        heard_.reset();
    }

private:
    Case& t_;
    cap::SchedDomain domain_;
    std::uint64_t table_ = 0;
    std::uint32_t number_ = 0;
    std::uint64_t hints_ = 0;
    std::array<AgentSeat, abi::kMaxCpus> agents_;
    std::bitset<abi::kStatusLines> heard_;
};

}  // namespace test
