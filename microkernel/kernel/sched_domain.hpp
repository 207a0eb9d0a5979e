// SPDX-License-Identifier: MIT
// SchedDomain: a set of CPUs and the threads created in it, scheduled by a server (docs/scheduling.md). The root's has all CPUs from
// the boot on; out of it others are made, to which it lends some (docs/domains.md; domain_table.cpp, domain_cpus.cpp).
//
// All lie in one table, and a place there is a SchedDomain's for ever. Whoever holds a reference, by a capability, a process in it or
// as its agent's thread, finds the same one; of others who come late the agents' references (by generation) turn all away.
//
// `mode_` says who places: kServer while at least one agent is there. Whoever makes a thread unplaced fences and reads it; whoever
// leaves kServer writes it, fences, and then looks at every thread: so one of the two places the thread.
// Server, mode and agents change together, under `lock_`; the atomics among them may be read without it.
// Event rings stay allocated for good, so a poster that is late writes into memory that nobody reads, not into somebody else's.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <optional>

#include "abi/sched.hpp"
#include "arch/timer.hpp"
#include "core/event_ring.hpp"
#include "core/event_token.hpp"
#include "kernel/completion.hpp"
#include "kernel/memory_object.hpp"
#include "kernel/process.hpp"
#include "kernel/thread.hpp"
#include "kernel/thread_table.hpp"

namespace cox {

struct Cpu;

// Of all loans (domain_table.cpp).
extern SpinLock loan_lock;

class SchedDomain final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kSchedDomain;
    SchedDomain() : Object(kType, Unborn{}) {}

    void open_root();  // boot
    // A child of this one, without CPUs. `payer` pays. kNoSlot, kQuota, kNoMemory.
    core::Result<RefPtr<SchedDomain>> create_child(Quota& payer);
    std::uint16_t number() const;  // as lines have it

    // By the capability in that slot of the server's: when it is emptied the domain falls back.
    core::Result<void> attach(Process& server, abi::CapSlot slot, std::uint64_t table_address,
                              std::uint64_t hints_address);
    void capability_emptied() override;
    core::Result<void> add_agent(Process& server, Thread& thread, std::uint32_t cpu,
                                 std::uint64_t ring_address);
    core::Result<void> detach(const Process& server);
    // -> true: there are events; false: the operation stays in flight.
    core::Result<bool> wait_events(Thread& agent, PendingOp waiter);
    PendingOp withdraw(Thread& agent, std::uint64_t user_data) override;
    // The calling agent's wait for events, or a completion, in its ring. False: it need not wait.
    bool begin_sleep(Thread& agent, std::uint64_t deadline);
    // The same for as long as it takes, of one that has just been seen to be the agent of this CPU.
    [[gnu::always_inline]] bool begin_sleep_here(Thread& agent, std::uint32_t cpu) {
        return sleep_as(agents_[cpu], agent, ~std::uint64_t{0});
    }
    // The common case of a commit: without flags, of a thread that is unplaced. False: nothing has changed, and commit() does it
    // or says why not.
    bool commit_plainly(const Process& server, abi::ThreadRef ref, std::uint64_t word,
                        std::uint64_t slice_ns);
    Thread* run_plainly(Cpu& self, abi::ThreadRef ref, std::uint64_t commit, std::uint64_t slice_ns,
                        bool& fits);
    // Such commits in the caller's submission queue, `limit` at most, up to the first that is none -> how many there were.
    std::uint32_t commit_plainly(Thread& caller, std::uint32_t limit);
    // Counted, and traced.
    core::Result<void> commit(const Process& server, abi::ThreadRef ref, std::uint64_t word,
                              std::uint64_t slice_ns);

    core::Result<void> take_cpu(std::uint64_t cpu);
    core::Result<void> return_cpu(std::uint64_t cpu);
    core::Result<void> lend_cpu(std::uint64_t cpu, SchedDomain& child);
    core::Result<void> reclaim_cpu(std::uint64_t cpu);
    // Where commits and hints may place: each bit is changed by its CPU alone.
    std::uint64_t cpus() const { return cpus_.load(); }
    std::uint64_t cpus_in_lines() const;  // the same as the CPUs' lines show it
    // This CPU, within look_at_domain().
    void begin_leaving(Cpu& cpu);
    bool leave(Cpu& cpu);
    static void join_wanted(Cpu& cpu);
    bool has_cpu(std::uint8_t cpu) const { return has_cpu_[cpu].load(std::memory_order_relaxed); }
    // Where threads of the domain may run at all; a thread that may use none of these waits for one.
    std::uint64_t usable_cpus(const Thread& thread) const {
        return thread.line.affinity.load(std::memory_order_relaxed) & cpus_.load(std::memory_order_relaxed);
    }
    std::uint64_t usable_since(
        const Thread& thread) const;  // TSC: from when on there has been one; kNever: there is none

    bool is_server(const Process& process) const { return server_.load() == &process; }
    bool attached() const { return mode_.load() == Mode::kServer; }
    static bool any_attached() { return attached_count.load(std::memory_order_relaxed) != 0; }
    // The same, where switches may also be direct ones: nothing of them is traced, and the CPU has XSAVEOPT. Relaxed: whoever acts
    // on it just before a server is lost acts as if a moment earlier.
    bool switches_directly() const { return direct_.load(std::memory_order_relaxed); }
    // What the server has said about a thread, checked; for threads outside the domain it can say nothing.
    struct Hint {
        bool given = false;
        std::uint32_t cpu = 0;    // kHintWake: where; whoever places there asks has_cpu
        std::uint64_t slice = 0;  // ticks; 0: none
    };
    static Hint wake_hint(const Thread& thread) { return hint(thread, abi::kHintWake); }
    static Hint rotate_hint(const Thread& thread) { return hint(thread, abi::kHintRotate); }
    const abi::HintLine& hint_line(std::uint32_t line) const;
    // For those who have asked switches_directly(). Of the first: if it names that CPU; else none.
    static Hint wake_hint_to(const Thread& thread, std::uint32_t cpu);
    static Hint direct_rotate_hint(const Thread& thread);
    static bool wakes_on(const Thread& thread, std::uint32_t cpu) {
        const auto word = thread.hint_line.word.load(std::memory_order_relaxed);
        return says(thread, word, abi::kHintWake) && (word >> 8 & 0xff) == cpu;
    }
    bool is_agent_of(const Thread& thread, std::uint32_t cpu) const {
        return thread.agent_cpu == cpu && answers_by(thread, cpu);
    }
    // The same of a thread whose `agent_cpu` that is.
    bool answers_by(const Thread& thread, std::uint32_t cpu) const {
        return agents_[cpu].ref.load(std::memory_order_relaxed) == thread.ref.raw();
    }

    // The caller has changed the line's state, with a seq_cst operation.
    void post_event(std::uint32_t line, std::uint32_t cpu);
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
    struct Batch;  // commit.cpp
    enum class Mode : std::uint8_t { kKernel, kServer };

    static constexpr core::EventRingShape kEventShape{std::countr_zero(abi::kEventEntries)};
    struct EntryAt {
        std::atomic<std::uint64_t>* pages[abi::kEventRingPages - 1];
        std::atomic<std::uint64_t>& operator()(std::uint64_t index) const {
            return pages[index / 512][index % 512];
        }
    };

    struct Agent {
        RefPtr<MemoryObject> memory;  // once made, for good
        abi::EventRingHeader* header = nullptr;
        std::optional<core::EventRingProducer<EntryAt, kEventShape>> ring;
        std::atomic<std::uint64_t> first{0};  // position from which on the present agent reads
        std::atomic<std::uint64_t> ref{0};    // ThreadRef of the agent; 0: none

        SpinLock lock{LockRank::kAgent};
        PendingOp waiter COX_GUARDED_BY(lock);  // kWaitEvents in flight; whoever takes it out completes it
        std::atomic<bool> waits{false};         // whether there is one
        PendingOp take_waiter();

        // kCommitAndWait: the agent waits in its ring, or did lately; what counts is there (Ring::end_event_wait).
        std::atomic<bool> sleeps{false};
    };

    void destroy() override;
    void close();
    void join(Cpu& cpu);
    void stop_using();
    static void want(std::uint64_t cpu) COX_REQUIRES(loan_lock);
    void end_loan(std::uint64_t cpu) COX_REQUIRES(loan_lock);
    bool has(std::uint64_t cpu) const COX_REQUIRES(loan_lock);
    static bool says(const Thread& thread, std::uint64_t word, std::uint32_t flag);
    void set_mode(Mode mode);
    static std::uint64_t slice_of(const Thread& thread);
    [[gnu::always_inline]] static Hint hint(const Thread& thread, std::uint32_t flag);
    core::Result<void> map_hints(Process& server, std::uint64_t address);
    bool become_server(const Process& server, abi::CapSlot slot);
    core::Result<void> make_ring(Agent& agent) COX_REQUIRES(lock_);
    core::Result<void> install(const Process& server, Thread& thread, std::uint32_t cpu);
    // Nothing happens unless `server` is (still) the server.
    bool fall_back(const Process* server, abi::Cause cause);  // false: it was not the server any more
    void look_at_every_thread(abi::Cause cause);
    std::uint32_t agent_for(std::uint32_t cpu, std::uint64_t mask) const;
    core::Result<void> decide(const Process& server, abi::ThreadRef ref, std::uint64_t word,
                              std::uint64_t slice_ns);
    core::Result<void> place(Thread& thread, abi::ThreadWord word, std::uint64_t commit,
                             std::uint64_t slice_ns);
    bool takes_commits(const Process& server) const;
    bool place_plainly(Cpu& self, std::uint64_t now, abi::ThreadRef ref, std::uint64_t commit,
                       std::uint64_t slice_ns);
    static void wake_sleeper(Agent& agent, std::uint64_t ref);
    static bool sleep_as(Agent& agent, Thread& thread, std::uint64_t deadline);
    core::Result<void> recall(Thread& thread);

    std::atomic<Mode> mode_{Mode::kKernel};  // set_mode()
    std::atomic<bool> direct_{false};
    static std::atomic<std::uint32_t> attached_count;

    std::atomic<std::uint64_t> cpus_{0};  // as far as the CPUs have followed what is wanted of them
    std::atomic<bool>
        has_cpu_[256]{};  // the same, for wakes and commits: for every number that they can name
    std::atomic<std::uint64_t> joined_at_[abi::kMaxCpus]{};  // TSC, by that CPU, before its bit
    std::atomic<std::uint64_t> agent_mask_{0};
    std::atomic<const Process*> server_{nullptr};  // compared only, but under the lock: then it has not gone
    std::uint64_t attached_by_ COX_GUARDED_BY(lock_) = 0;  // CapSlot of the server's

    GoneWakes gone_wakes_;

    SpinLock lock_{LockRank::kDomain};
    Agent agents_[abi::kMaxCpus];
    core::EventToken tokens_[abi::kStatusLines];

    // Of a child, from its making to its end.
    RefPtr<SchedDomain> parent_;
    RefPtr<Quota> payer_;
    RefPtr<MemoryObject> hints_;

    struct Loans {
        std::uint64_t entitled = 0;  // the root's: all; a child's: lent to it
        std::uint64_t taken = 0;     // of those: by kTakeCpu
        SchedDomain* lent_to[abi::kMaxCpus]{};
        std::uint32_t users = 0;  // CPUs whose domain it is, or that are just leaving it
        bool in_use = false;      // the place in the table
        bool ended = false;       // nobody refers to it any more
    };
    Loans loans_ COX_GUARDED_BY(loan_lock);
};

extern SchedDomain domains[abi::kMaxDomains];
inline SchedDomain& root_domain = domains[0];

inline std::uint16_t SchedDomain::number() const { return static_cast<std::uint16_t>(this - domains + 1); }

// This CPU: does what was asked of it by taking, returning, lending and reclaiming.
void look_at_domain(Cpu& cpu);
// This CPU has no thread of its domain to run: its line says so, and the domain's server is told.
void cpu_idle(Cpu& cpu);

// That CPU, or the boot: the line's other fields are written; its sequence rises.
inline void set_cpu_line(std::uint32_t cpu, abi::ThreadState state) {
    auto& word = status_line(abi::kMaxThreads + cpu).word;
    constexpr std::uint64_t kStateMask = 0xff, kNextSequence = std::uint64_t{1} << 32;
    word.store((word.load(std::memory_order_relaxed) & ~kStateMask) + kNextSequence +
               static_cast<std::uint8_t>(state));
}

// As commits and hints give it; 0: none.
inline std::uint64_t slice_ticks(std::uint64_t slice_ns) {
    // Two years: added to a TSC it does not overflow.
    constexpr std::uint64_t kMaxSliceNs = std::uint64_t{1} << 56;
    if (slice_ns == abi::kNoSlice) return 0;
    return arch::clock.to_ticks(std::clamp(slice_ns, abi::kMinSliceNs, kMaxSliceNs));
}

// A thread outside the domain has a line of its own, in which there are none.
inline bool SchedDomain::says(const Thread& thread, std::uint64_t word, std::uint32_t flag) {
    return word & flag && word >> 32 == thread.ref.generation;
}

inline std::uint64_t SchedDomain::slice_of(const Thread& thread) {
    return slice_ticks(thread.hint_line.slice_ns.load(std::memory_order_relaxed));
}

inline SchedDomain::Hint SchedDomain::hint(const Thread& thread, std::uint32_t flag) {
    const auto word = thread.hint_line.word.load(std::memory_order_relaxed);  // read once
    if (!says(thread, word, flag) || !thread.domain->attached()) return {};
    const std::uint32_t cpu = word >> 8 & 0xff;
    if (flag == abi::kHintWake && (cpu >= abi::kMaxCpus || !thread.allowed_on(cpu))) return {};
    return {true, cpu, slice_of(thread)};
}

[[gnu::always_inline]] inline bool SchedDomain::sleep_as(Agent& agent, Thread& thread,
                                                         std::uint64_t deadline) {
    if (!thread.ring.begin_event_wait(deadline)) return false;
    // A full fence. Pairs with the one in post_event, and with fall_back, which clears `ref` before it looks whether somebody sleeps.
    agent.sleeps.store(true);
    if (agent.ref.load() == thread.ref.raw() && !agent.ring->pending(agent.header->head.load())) return true;
    return !thread.ring.end_event_wait();  // else somebody has, and wakes it
}

inline SchedDomain::Hint SchedDomain::direct_rotate_hint(const Thread& thread) {
    const abi::HintLine& line = thread.hint_line;
    if (!says(thread, line.word.load(std::memory_order_relaxed), abi::kHintRotate)) return {};
    return {true, 0, slice_ticks(line.slice_ns.load(std::memory_order_relaxed))};
}

inline SchedDomain::Hint SchedDomain::wake_hint_to(const Thread& thread, std::uint32_t cpu) {
    const auto word = thread.hint_line.word.load(std::memory_order_relaxed);  // read once
    if (!says(thread, word, abi::kHintWake) || (word >> 8 & 0xff) != cpu || !thread.allowed_on(cpu))
        return {};
    return {true, cpu, slice_of(thread)};
}

}  // namespace cox
