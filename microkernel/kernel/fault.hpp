// SPDX-License-Identifier: MIT
// Page faults that user space resolves. A thread may have a handler. When it faults on a page that the kernel has nothing to do about, it
// waits:
//
//   endpoint       for the reply to a call that the kernel makes for it (call_for_thread)
//   notification   bits are set; where and why is noted with the thread; whoever is told reads that, does something about it, and has
//                  the thread try again, or ends it. The note is outstanding until somebody takes it: he alone wakes the thread. One
//                  that is woken otherwise, or too early, faults once more, and says so again.
#pragma once
#include "core/result.hpp"
#include "kernel/notification.hpp"

namespace cox {

struct Cpu;
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
    core::Result<Note> outstanding();  // kWrongState: none
    bool take();                       // true, once: there was one

private:
    SpinLock lock_{LockRank::kFault};
    Handler handler_ COX_GUARDED_BY(lock_){};
    Note note_ COX_GUARDED_BY(lock_){};
    bool outstanding_ COX_GUARDED_BY(lock_) = false;
};

// From its complete frame, with CR2 as the fault has left it. False: it is to end. Else who runs may have changed.
bool handle_page_fault(Cpu& cpu, Thread& thread);

}  // namespace cox
