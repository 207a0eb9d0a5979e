// SPDX-License-Identifier: MIT
// Page faults that user space resolves. A thread may have a handler. When it faults on a page that the kernel has nothing to do about, it
// waits:
//
//   endpoint       for the reply to a call that the kernel makes for it (call_for_thread)
//   notification   bits are set; where and why is noted with the thread; whoever is told reads that, does something about it, and has
//                  the thread try again, or ends it. The note is outstanding until somebody takes it: he alone wakes the thread. One
//                  that is woken otherwise, or too early, faults once more, and says so again.
#pragma once
#include <array>
#include <atomic>

#include "arch/frame.hpp"
#include "core/result.hpp"
#include "kernel/notification.hpp"

namespace cox {

struct Cpu;
class Endpoint;
class Thread;

class PageFault {
public:
    struct Note {
        std::uint64_t address, cause;  // the access, and abi::kFaultMapped
    };

    // An endpoint and a badge, or a notification and bits; nullptr: none, as from the beginning. Any CPU.
    void set_handler(Object* handler, std::uint64_t value);
    struct Handler {
        RefPtr<Object> object;
        std::uint64_t value;
    };
    // The current thread has faulted: who is to be told. The note is outstanding if that is a notification.
    Handler begin(Note note);
    // Whether the handler was an endpoint a moment ago.
    bool calls() const { return calls_.load(std::memory_order_relaxed); }
    // Its endpoint, with that one's lock (Endpoint::Quick), so that it does not go; the value is its badge. nullptr: none.
    Endpoint* lock_endpoint(std::uint64_t& badge);
    core::Result<Note> outstanding();  // kWrongState: none
    bool take();                       // true, once: there was one

private:
    SpinLock lock_{LockRank::kFault};
    Handler handler_ COX_GUARDED_BY(lock_){};
    Note note_ COX_GUARDED_BY(lock_){};
    bool outstanding_ COX_GUARDED_BY(lock_) = false;
    std::atomic<bool> calls_{false};
};

// From its complete frame, with CR2 as the fault has left it. Who runs may have changed.
struct FaultEnd {
    bool ends;  // the thread is to end
    // The frame to go on with, if that is known: leave_kernel() need not look.
    arch::TrapFrame* next = nullptr;
};
FaultEnd handle_page_fault(Cpu& cpu, Thread& thread);

// What its handler is told.
std::array<std::uint64_t, 4> words_of(const Thread& thread, const PageFault::Note& note);

// direct_fault.cpp: straight to the handler that waits at its endpoint, on the time of the thread. nullptr: nothing has happened.
arch::TrapFrame* fault_directly(Cpu& cpu, Thread& thread, const PageFault::Note& note);

}  // namespace cox
