// SPDX-License-Identifier: MIT
// Page faults that user space resolves. A thread may have a handler, and its process one for those that have none. When it faults on
// a page that the kernel has nothing to do about, it waits:
//
//   endpoint       for the reply to a call that the kernel makes for it (call_for_thread)
//   notification   bits are set; where and why is noted with the thread; whoever is told reads that, does something about it, and has
//                  the thread try again, or ends it. The note is outstanding until somebody takes it: he alone wakes the thread. One
//                  that is woken otherwise, or too early, faults once more, and says so again. The notification knows the threads
//                  that wait so: when it goes they all try again, and find no handler.
#pragma once
#include <array>
#include <atomic>

#include "arch/frame.hpp"
#include "core/result.hpp"
#include "kernel/fault_handler.hpp"

namespace cox {

struct Cpu;
class Notification;
class Thread;

// The handler is the thread's own.
class PageFault : public FaultHandler {
public:
    struct Note {
        std::uint64_t address, cause;  // the access, and abi::kFaultMapped
    };

    explicit PageFault(Thread& thread) : thread_(thread) {}

    // The thread runs here, and has faulted: who is to be told, `common` if it has no handler. If that is a notification, the note is
    // outstanding, and the notification knows of it.
    Told begin(Note note, FaultHandler& common);
    core::Result<Note> outstanding();  // kWrongState: none
    bool take();                       // true, once: there was one
    // The thread has gone.
    void forget() {
        if (told_.load(std::memory_order_relaxed)) take();
    }
    // The notification is about to go: nobody refers to it. Holding no lock.
    static void all_try_again(Notification& told);

private:
    void note_down(Note note, const Told& told) COX_REQUIRES(lock_);
    void link(Notification& told) COX_REQUIRES(lock_);
    void unlink(Notification& told) COX_REQUIRES(lock_);
    bool take_from(Notification& told);  // if it is that one who was told

    // Who finds it there under the lock may use it: before it goes it takes the note out, under the lock. Others see whether there is one.
    std::atomic<Notification*> told_{nullptr};
    Note note_ COX_GUARDED_BY(lock_){};
    Thread& thread_;
    // Under the lock of the notification that was told. `previous_` of the first says nothing.
    Thread* next_ = nullptr;
    Thread* previous_ = nullptr;
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

// direct_fault.cpp: straight to whoever waits at the handler's endpoint, on the time of the thread. nullptr: nothing has happened.
arch::TrapFrame* fault_directly(Cpu& cpu, Thread& thread, FaultHandler& handler, const PageFault::Note& note);

}  // namespace cox
