// SPDX-License-Identifier: MIT
// Cpu: what one CPU owns. GS points to it in kernel mode. Only that CPU touches it, except for the atomics and the inbox, by
// which the others speak to it.
#pragma once
#include <atomic>
#include <cstddef>
#include <span>

#include "abi/stats.hpp"
#include "arch/tables.hpp"
#include "core/inbox.hpp"
#include "core/intrusive_queue.hpp"
#include "core/timer_queue.hpp"
#include "core/topology.hpp"
#include "kernel/alarm.hpp"
#include "kernel/thread.hpp"

namespace cox {

class AddressSpace;
class Process;
class SchedDomain;

using RunQueue = core::IntrusiveQueue<Thread, &Thread::queue_link>;
using TimerQueue = core::TimerQueue<Thread, &Thread::timer>;

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

// What is left to do when a system call's function returns, once the thread's frame is complete.
enum ExitWork : std::uint32_t {
    kNothing = 0,
    kLook = 1,                // who runs here, or until when, may have changed: leave_kernel
    kExitThread = 2,          // thread_exit
    kWaitInEnter = 4,         // cap_enter waits
    kPark = 8,                // kPark waits
    kYield = 16,              // kYield
    kAgentWoken = 32,         // the CPU's agent is to run (direct_agent.cpp)
    kWaitForEvents = 64,      // kCommitAndWait waits
    kAtEndpoint = 512,        // an operation of an endpoint
    kCommitAndSwitch = 1024,  // kCommitAndWait commits, and waits: switch_from_agent
    // Of these it is enough to look at the queue, and at the timer for it:
    kQueued = 128,  // a thread was queued
    kWatch =
        256,  // a thread is unplaced, so the watchdog is to look at it, unless the agent places it before
};

struct Cpu {
    // Offsets known to entry.S.
    Cpu* self = nullptr;
    std::uint64_t kernel_stack = 0;
    std::uint64_t user_rsp = 0;
    std::uint32_t exit_work = 0;  // ExitWork bits: why a system call may not go straight back
    arch::CpuTables tables{};     // its entry stack is the current thread's TrapFrame

    std::uint32_t number = 0;
    std::uint32_t apic_id = 0;
    core::CpuPlace place;  // read by itself at its start
    // For direct switches: 1 << number; what is added to a word there.
    std::uint64_t own_bit = 0, calls_word = 0, waits_word = 0, runs_word = 0;
    std::uint32_t locks_held = 0;  // debug build: LockRank bits

    // Dispatch (dispatch.cpp). Each thread here is held by one reference.
    Thread* current = nullptr;      // nullptr: none, or in between
    Thread* agent_ready = nullptr;  // this CPU's agent, queued before everyone
    RunQueue queue;
    std::uint32_t kernel_placed_queued = 0;  // how many in `queue` the kernel placed
    bool preempt_current = false;            // a commit asked for it
    bool timed_well = false;      // the timer needs no look when one more is queued (run_queue.cpp)
    Thread* fpu_owner = nullptr;  // whose state the registers hold; not dereferenced
    std::uint64_t loaded_fs_base = 0;
    std::uint64_t since = 0;  // TSC up to which time is accounted
    bool line_busy = false;   // this CPU's status line says that it runs threads of the domain
    // Whose the CPU is (domain_cpus.cpp).
    SchedDomain* domain = nullptr;  // whose threads are let in; nullptr: nobody's
    SchedDomain* leaves =
        nullptr;  // whose it was: those of its threads that were here are still being given back;
    std::size_t to_give_back = 0;  // so many of the queue were not looked at
    SchedDomain* direct_domain;  // `domain`, while switches there may be direct; else one that no thread has
    bool switches_directly = false;  // whether that is so
    // The slice of the last commit here, as it gave it, and in ticks: mostly they are all the same.
    std::uint64_t slice_before_ns = 0, slice_before = 0;

    // Time (timers.cpp, alarm.cpp, watchdog.cpp).
    TimerQueue timers;
    AlarmQueue alarms;
    std::uint64_t window_end = 0;  // alarm.hpp
    std::uint32_t expiries_left = 0;
    std::uint64_t armed_deadline = kNever;
    std::uint64_t watch_deadline = kNever;

    AddressSpace* reap_list = nullptr;
    Process* dead_processes = nullptr;  // exit.cpp
    abi::CpuStats stats{};

    // Written by others.
    alignas(64) core::Inbox inbox;
    core::InboxNode attention{static_cast<std::uint8_t>(RecordKind::kAttention)};
    std::atomic<bool> return_fallback{false};          // a server has attached; with `attention`
    std::atomic<SchedDomain*> wanted_domain{nullptr};  // whose it shall be; with `attention`
    std::atomic<std::int32_t> unplaced_here{0};  // threads of the domain that are unplaced and ran here last

    // Written by this CPU, read by others (address_space.hpp).
    alignas(64) std::atomic<AddressSpace*> active_space{nullptr};  // in CR3, or about to be
    std::atomic<AddressSpace*> loaded_space{nullptr};              // in CR3, or just replaced there
    std::atomic<std::uint64_t> seen_generation{0};
};
static_assert(offsetof(Cpu, kernel_stack) == CPU_KERNEL_STACK);
static_assert(offsetof(Cpu, user_rsp) == CPU_USER_RSP);
static_assert(offsetof(Cpu, tables) + offsetof(arch::CpuTables, task) + offsetof(arch::TaskState, rsp) ==
              CPU_FRAME_TOP);
static_assert(offsetof(Cpu, exit_work) == CPU_EXIT_WORK);

// What the executing CPU does next, or until when, may have changed.
inline void look_again(Cpu& cpu) { cpu.exit_work |= kLook; }

// The call of the executing CPU's current thread leaves something to do.
inline void leave_to_do(ExitWork work) {
    asm volatile("orl %0, %%gs:%c1" : : "i"(work), "i"(CPU_EXIT_WORK) : "memory", "cc");
}

// Whether there is something; also of one that did not come through entry.S's door.
inline bool something_to_do() {
    bool something;
    asm volatile("cmpl $0, %%gs:%c1" : "=@ccne"(something) : "i"(CPU_EXIT_WORK));
    return something;
}

inline Cpu& this_cpu() {
    Cpu* cpu;
    asm volatile("movq %%gs:0, %0" : "=r"(cpu));
    return *cpu;
}

// Of the executing CPU, where there is one.
inline Thread& current_thread() {
    Thread* thread;
    asm volatile("movq %%gs:%c1, %0" : "=r"(thread) : "i"(offsetof(Cpu, current)));
    return *thread;
}

extern bool cpus_ready;  // every CPU's GS is set
std::span<Cpu> online_cpus();
std::uint64_t online_mask();

// Makes `target` enter the kernel soon.
void send_reschedule(Cpu& self, Cpu& target);

}  // namespace cox
