// SPDX-License-Identifier: MIT
// Page faults that user space resolves. A thread may have a handler: a notification, and bits. When it faults on a page that the
// kernel has nothing to do about, where and why is noted with the thread, the bits are set, and it waits; whoever is told reads what is
// noted, does something about it, and has the thread try again, or ends it.
//
// The note is outstanding until somebody takes it: he alone wakes the thread. One that is woken otherwise, or too early, faults
// once more, and says so again.
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

    // nullptr: none, as from the beginning. Any CPU.
    void set_handler(Notification* bell, std::uint64_t bits);
    // The current thread has faulted. False: nobody is to be told. True: somebody was, and it is to wait.
    bool report(Note note);
    core::Result<Note> outstanding();  // kWrongState: none
    bool take();                       // true, once: there was one

private:
    SpinLock lock_{LockRank::kFault};
    RefPtr<Notification> bell_ COX_GUARDED_BY(lock_);
    std::uint64_t bits_ COX_GUARDED_BY(lock_) = 0;
    Note note_ COX_GUARDED_BY(lock_){};
    bool outstanding_ COX_GUARDED_BY(lock_) = false;
};

// From its complete frame, with CR2 as the fault has left it. False: it is to end. Else who runs may have changed.
bool handle_page_fault(Cpu& cpu, Thread& thread);

}  // namespace cox
