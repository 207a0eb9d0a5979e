// SPDX-License-Identifier: MIT
// Thread: its registers, its ring, its line in the status table, and the records by which other CPUs speak of it.
//
// Who owns what:
//   frame, fpu, slices, queue link   the CPU in the state word while running or queued; else whoever wins the next transition
//   the state word                   compare-and-swap by the transitions of core/thread_word.hpp
//   the wakes' counts                wake_ledger.hpp
//   timer node                       the CPU in `timer_cpu` (timers.hpp)
//   place, request, timer_record     whoever holds the right to push them (inbox_records.hpp)
//   the rest                         written before the thread starts
#pragma once
#include "abi/calls.hpp"
#include "abi/sched.hpp"
#include "arch/fpu.hpp"
#include "arch/frame.hpp"
#include "core/inbox.hpp"
#include "core/intrusive_queue.hpp"
#include "core/thread_word.hpp"
#include "core/timer_queue.hpp"
#include "kernel/address_space.hpp"
#include "kernel/ending.hpp"
#include "kernel/fault.hpp"
#include "kernel/ipc.hpp"
#include "kernel/object.hpp"
#include "kernel/park.hpp"
#include "kernel/ring.hpp"
#include "kernel/wake_ledger.hpp"

namespace cox {

struct Cpu;
class Process;
class SchedDomain;

enum class RecordKind : std::uint8_t { kPlace, kRequest, kTimer, kAttention, kAlarm };

class Thread final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kThread;
    static constexpr std::uint32_t kNoCpu = ~0u;

    Thread(abi::StatusLine& status, const abi::HintLine& hint, abi::ThreadRef reference, Process& owner,
           SchedDomain* in_domain, Thread* polled);
    ~Thread();

    core::ThreadStateWord word() { return core::ThreadStateWord(line.word); }
    bool is_agent() const { return agent_cpu != kNoCpu; }
    bool allowed_on(std::uint32_t cpu) const {
        return line.affinity.load(std::memory_order_relaxed) >> cpu & 1;
    }

    arch::TrapFrame frame{};
    std::uint32_t calls = 0;  // since creation; right behind the frame, for entry.S
    arch::FpuState fpu;

    abi::StatusLine& line;
    const abi::HintLine& hint_line;
    const abi::ThreadRef ref;
    const RefPtr<Process> process;
    SchedDomain* const domain;                     // nullptr: a system thread or an agent
    std::atomic<std::uint32_t> agent_cpu{kNoCpu};  // written under the lock of the domain whose agent it is:
    std::atomic<SchedDomain*> agent_of;            // held, if it is one; else the root's
    Ring ring;
    std::uint64_t fs_base = 0;
    PageFault page_fault{*this};
    const RefPtr<Thread> polls;  // a poller (poller.hpp): whose ring it takes from

    core::QueueNode<Thread> queue_link;
    core::TimerNode<Thread> timer;
    core::InboxNode place{static_cast<std::uint8_t>(RecordKind::kPlace)};
    core::InboxNode request{static_cast<std::uint8_t>(RecordKind::kRequest)};
    core::InboxNode timer_record{static_cast<std::uint8_t>(RecordKind::kTimer)};

    WakeCounts wake_counts;

    // Placement: written by whoever has moved the thread to queued, before it is pushed to the CPU.
    std::uint64_t slice = 0;  // ticks; 0: none
    std::uint32_t place_flags = 0;

    // Running.
    std::uint64_t switched_in = 0;   // TSC
    std::uint64_t queued_since = 0;  // TSC
    std::uint64_t slice_used = 0;    // ticks of the slice
    std::uint64_t turn_used = 0;     // ticks since it was last at the queue's tail
    std::uint64_t runtime = 0;       // ticks
    const Cpu* fpu_cpu = nullptr;    // whose registers held its floating-point state last; not dereferenced
    // What there is to do when it is dispatched, besides loading its context; mostly nothing. Like the frame, the owner's.
    enum Resume : std::uint8_t {
        kInterrupted =
            1,         // it is queued only because its CPU's agent went first: this is no dispatch of its own
        kInEnter = 2,  // it waits in cap_enter: finish_enter
        kInPark = 4,   // it has parked with a time-out, or on shared memory: finish_park
        kPolls = 8,    // it has no user code to return to: poll_ring. For good
        kInIpc = 16,   // it waits at an endpoint with a time-out, or for the kernel: finish_ipc
    };
    std::uint8_t resume = 0;
    std::atomic<bool> agent_overrun{
        false};  // it used up its budget, and is treated like any thread until it waits

    struct {
        std::uint64_t limit, idle_since;  // ticks; TSC, 0: not idle
        bool awake;
    } poll{};

    // cap_enter, kPark, or a wait at an endpoint in progress.
    bool timed_out = false;
    struct {
        std::uint32_t wanted, consumed;
        std::uint64_t timeout_ns, deadline;
    } enter{};
    static constexpr std::uint32_t kForEvents = ~0u;  // wanted, in kCommitAndWait: an event, or a completion
    std::atomic<std::uint32_t> timer_cpu{kNoCpu};     // timers.hpp
    struct {
        ParkSpace* space = nullptr;  // where it is, or was last; there under the lock:
        std::uint64_t key = 0;
        Thread* next = nullptr;
        bool listed = false;
        RefPtr<Object> pinned;    // the shared memory object
        AddressSpace::Page page;  // with the word that it parked on last, for the next time
    } park;

    Ipc ipc;

    static constexpr std::uint64_t kNoCode = ~std::uint64_t{0};
    std::atomic<std::uint64_t> exit_code{
        kNoCode};  // the first kill decides, unless the thread exits by itself
    Ending ending;
    PendingOp withdraw(Thread& caller, std::uint64_t user_data) override {
        return ending.withdraw(caller.ref, user_data);
    }

private:
    void destroy() override;  // returns the slot (thread_table.cpp)
};

}  // namespace cox
