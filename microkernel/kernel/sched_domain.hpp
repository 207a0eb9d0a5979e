// SPDX-License-Identifier: MIT
// SchedDomain: a set of CPUs and the threads created in it, scheduled by a server (docs/scheduling.md). Now there is one, with
// all CPUs.
//
// `mode_` says who places: kServer while at least one agent is there. Whoever makes a thread unplaced fences and reads it; whoever
// leaves kServer writes it, fences, and then looks at every thread: so one of the two places the thread.
// Server, mode and agents change together, under `lock_`; the atomics among them may be read without it.
// Event rings stay allocated for good, so a poster that is late writes into memory that nobody reads, not into somebody else's.
#pragma once
#include <algorithm>
#include <atomic>
#include <optional>

#include "abi/sched.hpp"
#include "arch/timer.hpp"
#include "core/event_ring.hpp"
#include "kernel/completion.hpp"
#include "kernel/memory_object.hpp"
#include "kernel/process.hpp"
#include "kernel/thread.hpp"

namespace cox {

struct Cpu;

class SchedDomain final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kSchedDomain;
    SchedDomain() : Object(kType) {}

    core::Result<void> attach(Process& server, std::uint64_t table_address, std::uint64_t hints_address);
    core::Result<void> add_agent(Process& server, Thread& thread, std::uint32_t cpu,
                                 std::uint64_t ring_address);
    core::Result<void> detach(const Process& server);
    // -> true: there are events; false: the operation stays in flight.
    core::Result<bool> wait_events(Thread& agent, PendingOp waiter);
    PendingOp withdraw(Thread& agent, std::uint64_t user_data) override;
    core::Result<void> commit(Process& server, abi::ThreadRef ref, std::uint64_t word,
                              std::uint64_t slice_ns);

    bool attached() const { return mode_.load() == Mode::kServer; }
    // What the server has said about a thread, checked; for threads outside the domain it can say nothing.
    struct Hint {
        bool given = false;
        std::uint32_t cpu = 0;    // kHintWake: where
        std::uint64_t slice = 0;  // ticks; 0: none
    };
    Hint wake_hint(const Thread& thread) const { return hint(thread, abi::kHintWake); }
    // The same, if it names that CPU; else none.
    Hint wake_hint_to(const Thread& thread, std::uint32_t cpu) const;
    bool wakes_on(const Thread& thread, std::uint32_t cpu) const {
        const auto word = thread.hint_line.word.load(std::memory_order_relaxed);
        return says(thread, word, abi::kHintWake) && (word >> 8 & 0xff) == cpu;
    }
    Hint rotate_hint(const Thread& thread) const { return hint(thread, abi::kHintRotate); }
    bool is_agent_of(const Thread& thread, std::uint32_t cpu) const {
        return thread.agent_cpu == cpu &&
               agents_[cpu].ref.load(std::memory_order_relaxed) == thread.ref.raw();
    }

    // The caller has changed the line's state, with a seq_cst operation.
    void post_event(std::uint32_t line, std::uint32_t cpu);
    void cpu_idle(std::uint32_t cpu);
    void cpu_busy(std::uint32_t cpu);
    void init_cpu_line(std::uint32_t cpu, abi::TopologyWord place);  // boot: it is idle

    // A thread of the domain is about to give its line back: its wakes stay counted here.
    void thread_ended(const Thread& thread) { gone_wakes_.add(thread); }
    const GoneWakes& gone_wakes() const { return gone_wakes_; }

    void server_gone(const Process& server);
    void agent_gone(Thread& agent);
    // Whether the thread that answers for `cpu`'s events is itself kept from its CPU, through no fault of its own.
    bool agent_kept_away(std::uint32_t cpu);
    void starved(Thread& thread, std::uint32_t cpu, std::uint64_t waited_ns);  // the watchdog

private:
    enum class Mode : std::uint8_t { kKernel, kServer };

    struct EntryAt {
        std::atomic<std::uint64_t>* pages[abi::kEventRingPages - 1];
        std::atomic<std::uint64_t>& operator()(std::uint64_t index) const {
            return pages[index / 512][index % 512];
        }
    };

    struct Agent {
        RefPtr<MemoryObject> memory;  // once made, for good
        abi::EventRingHeader* header = nullptr;
        std::optional<core::EventRingProducer<EntryAt>> ring;
        std::atomic<std::uint64_t> first{0};  // position from which on the present agent reads
        std::atomic<std::uint64_t> ref{0};    // ThreadRef of the agent; 0: none

        SpinLock lock{LockRank::kAgent};
        PendingOp waiter COX_GUARDED_BY(lock);  // kWaitEvents in flight; whoever takes it out completes it
        std::atomic<bool> waits{false};         // whether there is one
        PendingOp take_waiter();
    };

    void destroy() override {}
    bool says(const Thread& thread, std::uint64_t word, std::uint32_t flag) const;
    static std::uint64_t slice_of(const Thread& thread);
    [[gnu::always_inline]] Hint hint(const Thread& thread, std::uint32_t flag) const;
    core::Result<void> map_hints(Process& server, std::uint64_t address);
    bool become_server(const Process& server);
    core::Result<void> make_ring(Agent& agent) COX_REQUIRES(lock_);
    core::Result<void> install(const Process& server, Thread& thread, std::uint32_t cpu);
    // Nothing happens unless `server` is (still) the server.
    bool fall_back(const Process* server, abi::Cause cause);  // false: it was not the server any more
    void look_at_every_thread(abi::Cause cause);
    std::uint32_t agent_for(std::uint32_t cpu, std::uint64_t mask) const;
    core::Result<void> place(Thread& thread, abi::ThreadWord word, std::uint64_t commit,
                             std::uint64_t slice_ns);
    core::Result<void> recall(Thread& thread);

    std::atomic<Mode> mode_{Mode::kKernel};
    std::atomic<std::uint64_t> agent_mask_{0};
    std::atomic<const Process*> server_{nullptr};  // compared only

    GoneWakes gone_wakes_;

    SpinLock lock_{LockRank::kDomain};
    Agent agents_[abi::kMaxCpus];
};

extern SchedDomain root_domain;

// As commits and hints give it; 0: none.
inline std::uint64_t slice_ticks(std::uint64_t slice_ns) {
    // Two years: added to a TSC it does not overflow.
    constexpr std::uint64_t kMaxSliceNs = std::uint64_t{1} << 56;
    if (slice_ns == abi::kNoSlice) return 0;
    return arch::clock.to_ticks(std::clamp(slice_ns, abi::kMinSliceNs, kMaxSliceNs));
}

// A thread outside the domain has a line of its own, in which there are none.
inline bool SchedDomain::says(const Thread& thread, std::uint64_t word, std::uint32_t flag) const {
    return word & flag && word >> 32 == thread.ref.generation && attached();
}

inline std::uint64_t SchedDomain::slice_of(const Thread& thread) {
    return slice_ticks(thread.hint_line.slice_ns.load(std::memory_order_relaxed));
}

inline SchedDomain::Hint SchedDomain::hint(const Thread& thread, std::uint32_t flag) const {
    const auto word = thread.hint_line.word.load(std::memory_order_relaxed);  // read once
    if (!says(thread, word, flag)) return {};
    const std::uint32_t cpu = word >> 8 & 0xff;
    if (flag == abi::kHintWake && (cpu >= abi::kMaxCpus || !thread.allowed_on(cpu))) return {};
    return {true, cpu, slice_of(thread)};
}

inline SchedDomain::Hint SchedDomain::wake_hint_to(const Thread& thread, std::uint32_t cpu) const {
    const auto word = thread.hint_line.word.load(std::memory_order_relaxed);  // read once
    if (!says(thread, word, abi::kHintWake) || (word >> 8 & 0xff) != cpu || !thread.allowed_on(cpu))
        return {};
    return {true, cpu, slice_of(thread)};
}

}  // namespace cox
