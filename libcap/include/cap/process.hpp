// SPDX-License-Identifier: MIT
//
// Capabilities to a process, its threads, memory objects and notifications. Rights and errors: docs/abi.md.
#pragma once

#include "abi/sched.hpp"
#include "cap/capability.hpp"
#include "cap/ring.hpp"
#include "cap/timer.hpp"

#include <cstdint>
#include <string_view>

namespace cap {

class Memory : public Capability {
public:
    using Capability::Capability;
    [[nodiscard]] Result<std::uint64_t> pages() const { return call(abi::Op::kGetSize); }
    // How many of them have a frame: all, but of an object that was made on demand.
    [[nodiscard]] Result<std::uint64_t> resident_pages() const;
    // A new object with the frames of some pages of this one, which keeps them; its capability has this one's rights.
    [[nodiscard]] Result<Memory> split(std::uint64_t first_page, std::uint64_t pages) const;
    // Each of these pages has a frame from now on, so that using it cannot fail. Any number: it is cut into calls.
    [[nodiscard]] Result<void> pin(std::uint64_t first_page, std::uint64_t pages) const;
};

class Notification : public Capability {
public:
    using Capability::Capability;
    [[nodiscard]] Result<void> signal(std::uint64_t bits) const;
    // The bits that are set, cleared; 0 if none is.
    [[nodiscard]] Result<std::uint64_t> poll() const { return call(abi::Op::kPollBits); }
    // Waits until a bit is set; returns and clears all that are. After kTimedOut the wait is still in flight.
    [[nodiscard]] Result<std::uint64_t> wait(Ring& ring, std::uint64_t timeout_ns = abi::kForever) const;
};

// A copy of a thread's status line (abi::StatusLine), as plain values.
struct ThreadStatus {
    abi::ThreadWord word;
    abi::ThreadRef ref;
    std::uint64_t runtime_ns;
    std::uint64_t runnable_since;
    std::uint64_t wakes;
    std::uint64_t affinity;
    std::uint64_t label;
    std::uint16_t domain;
    std::uint16_t serves;  // 1 + the line of the caller, 0: none
    std::uint32_t calls;
};

struct PollOptions {
    std::uint64_t idle_ns =
        abi::kForever;       // without anything to take; then the poller sleeps until it is called
    std::uint64_t cpus = 0;  // 0: all
    std::uint64_t label = 0;
};

class Thread : public Capability {
public:
    using Capability::Capability;
    [[nodiscard]] Result<void> start() const;
    [[nodiscard]] Result<void> kill(std::uint64_t exit_code) const;
    [[nodiscard]] Result<void> suspend() const;
    [[nodiscard]] Result<void> resume() const;
    [[nodiscard]] Result<void> set_affinity(std::uint64_t cpus) const;
    // Waits until the thread has gone -> its exit code. After kTimedOut the wait is still in flight.
    [[nodiscard]] Result<std::uint64_t> join(Ring& ring, std::uint64_t timeout_ns = abi::kForever) const;
    [[nodiscard]] Result<abi::ThreadRef> ref() const;
    // The calling thread's own: others that are queued on its CPU run first.
    void yield() const { cap_call(slot(), abi::Op::kYield); }
    // The calling thread's own, and its ring: what is submitted is taken by a poller from now on. -> the poller, to be placed,
    // moved, killed, joined like any thread.
    [[nodiscard]] Result<Thread> poll(Ring& ring, const PollOptions& options = {}) const;
    [[nodiscard]] Result<ThreadStatus> status() const;

    // An endpoint: page faults are calls of it from now on, with this badge. A notification: they set these bits, and the thread waits
    // for retry_fault or refuse_fault. Nothing: they end it again.
    [[nodiscard]] Result<void> set_fault_handler(Capability handler, std::uint64_t badge_or_bits) const {
        return invoke(abi::Op::kSetFaultHandler, handler.slot().raw(), badge_or_bits);
    }
    struct Fault {
        std::uint64_t address;
        abi::Rights access;  // what it needs: kRead, kWrite or kExecute
        bool mapped;         // but without that right
    };
    // kWrongState: it waits with none.
    [[nodiscard]] Result<Fault> fault() const;
    [[nodiscard]] Result<void> retry_fault() const { return invoke(abi::Op::kEndFault, std::uint64_t{0}); }
    [[nodiscard]] Result<void> refuse_fault() const { return invoke(abi::Op::kEndFault, std::uint64_t{1}); }
};

// How much memory and how many threads those have together that are charged to it.
class Quota : public Capability {
public:
    using Capability::Capability;
    [[nodiscard]] Result<abi::QuotaStatus> status() const;
    // A part of what this one has left.
    [[nodiscard]] Result<Quota> split(std::uint64_t memory, std::uint64_t threads) const;
};

// What is created by a process's capability is charged to that process's quota.
class Process : public Capability {
public:
    using Capability::Capability;

    // `domain`: slot that the new process's threads run in, or none. `quota`: what it and all that is made in it is charged to;
    // none: this process's. `name` is cut to what ProcessParams holds.
    [[nodiscard]] Result<Process> create_process(std::string_view name, abi::CapSlot domain = {},
                                                 abi::CapSlot quota = {}) const;
    // Split from this process's.
    [[nodiscard]] Result<Quota> create_quota(std::uint64_t memory, std::uint64_t threads) const;
    [[nodiscard]] Result<abi::QuotaStatus> quota_status() const;
    // The thread runs in this process; the capability to it is the caller's. It is not started.
    [[nodiscard]] Result<Thread> create_thread(const abi::ThreadParams& params) const;
    [[nodiscard]] Result<Memory> create_memory(std::uint64_t pages) const;
    // Its pages have a frame, zeroed, from their first use on.
    [[nodiscard]] Result<Memory> create_memory_on_demand(std::uint64_t pages) const;
    [[nodiscard]] Result<Notification> create_notification() const;
    // It sets these bits of the notification whenever it expires.
    [[nodiscard]] Result<Timer> create_timer(Notification bell, std::uint64_t bits) const;

    // Ranges of any length: they are cut into calls of kMaxPagesPerCall. A map() that fails leaves nothing
    // mapped.
    [[nodiscard]] Result<void> map(Memory memory, std::uint64_t address, std::uint64_t first_page,
                                   std::uint64_t pages, abi::Rights access) const;
    [[nodiscard]] Result<void> unmap(std::uint64_t address, std::uint64_t pages) const;
    [[nodiscard]] Result<void> protect(std::uint64_t address, std::uint64_t pages, abi::Rights access) const;

    // Derives from the caller's capability one in this process's table -> the slot there. As Capability::derive.
    [[nodiscard]] Result<abi::CapSlot> give(abi::CapSlot slot, abi::Rights rights,
                                            std::uint64_t badge = 0) const;
    // The same, but the capability leaves the caller's table, and takes along what was derived from it.
    [[nodiscard]] Result<abi::CapSlot> move(abi::CapSlot slot, abi::Rights rights,
                                            std::uint64_t badge = 0) const;
    // As Thread::set_fault_handler, for its threads that have none of their own: those that are there, and those to come.
    [[nodiscard]] Result<void> set_fault_handler(Capability handler, std::uint64_t badge_or_bits) const {
        return invoke(abi::Op::kSetProcessFaultHandler, handler.slot().raw(), badge_or_bits);
    }
    [[nodiscard]] Result<void> kill(std::uint64_t exit_code) const;
    // Waits until the process has gone -> its exit code.
    [[nodiscard]] Result<std::uint64_t> wait_exit(Ring& ring, std::uint64_t timeout_ns = abi::kForever) const;
};

}  // namespace cap
