// SPDX-License-Identifier: MIT
// Process: an address space, a capability table, and threads. It has gone when its last thread has, or when it is killed
// without any; then its table is cleared, its memory is returned as soon as no CPU has it loaded, and whoever waits is told.
#pragma once
#include <array>
#include <optional>
#include <string_view>

#include "kernel/address_space.hpp"
#include "kernel/cap_table.hpp"
#include "kernel/ending.hpp"
#include "kernel/fault_handler.hpp"
#include "kernel/timer_account.hpp"

namespace cox {

class SchedDomain;
class Thread;

class Process final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kProcess;

    // kQuota, kNoMemory. `quota` pays for it, and for all that is made in it.
    static core::Result<RefPtr<Process>> create(Quota& quota, SchedDomain* domain, std::string_view name);

    Process(Quota& pays, SchedDomain* in_domain);
    ~Process();

    // A thread in state created, with its ring. kWrongState when the process has gone.
    core::Result<RefPtr<Thread>> create_thread(AddressSpace& space, const abi::ThreadParams& params);

    // One that has nothing but its line: kQuota, kWrongState, kNoSlot. `polled`: as a poller of that thread's ring.
    core::Result<RefPtr<Thread>> new_thread(std::uint32_t cpu, std::uint64_t affinity, Thread* polled);

    // Every thread exits: those that run or are queued as soon as their CPU looks.
    void kill(std::uint64_t code);
    void thread_gone(std::uint64_t code);                 // called once for each thread, by finish_exit
    void cancel_thread();                                 // or this: for one that nobody has heard of
    bool is_dying() { return dying_code().has_value(); }  // it has gone, or is about to

    Ending ending;
    ParkSpace parked;
    PendingOp withdraw(Thread& caller, std::uint64_t user_data) override;

    // Keeps the address space from being returned while another process's thread works on it. False: it has gone.
    class SpaceHold {
    public:
        explicit SpaceHold(Process& process);
        ~SpaceHold();
        SpaceHold(const SpaceHold&) = delete;
        SpaceHold& operator=(const SpaceHold&) = delete;
        explicit operator bool() const { return space_ != nullptr; }
        AddressSpace& space() const { return *space_; }

    private:
        AddressSpace* space_;
    };

    // For a thread of this process, and for its creator: while one is alive, so is the space.
    AddressSpace& space() { return *space_; }
    Quota& quota;  // it lives while this does
    CapTable caps;
    RefPtr<TimerAccount> timers;  // from its creation on
    FaultHandler fault_handler;   // of its threads that have none of their own
    const RefPtr<SchedDomain> domain;
    std::array<char, 24> name{};

    void finish_destroy();  // exit.cpp: when nothing is on the stack any more
    Process* next_dead = nullptr;

private:
    void destroy() override;
    void gone(std::uint64_t code);
    bool add_thread();
    std::optional<std::uint64_t> dying_code();

    AddressSpace* space_ = nullptr;  // handed to the reaper when the process has gone

    SpinLock lock_{LockRank::kProcess};
    std::uint32_t threads_ COX_GUARDED_BY(lock_) = 0;
    bool dying_ COX_GUARDED_BY(lock_) = false;
    bool gone_ COX_GUARDED_BY(lock_) = false;
    std::uint64_t kill_code_ COX_GUARDED_BY(lock_) = 0;  // while dying_
};

// A thread's ring that could not be used after all; `address` as in ThreadParams.
void unmap_ring(AddressSpace& space, std::uint64_t address);

// Gives an address space back once no CPU has it loaded; until then it is tried again at each kernel exit of this CPU.
void reap_later(AddressSpace* space);

}  // namespace cox
