/* SPDX-License-Identifier: MIT
 *
 * The inbox, the reschedule IPI and the idle loop: no record stays unserved while its CPU sleeps or runs a thread.
 *
 * Stands for: core/inbox.hpp (push, take_all, pop, empty), kernel/inbox_records.cpp (push, serve_inbox),
 * kernel/dispatch.cpp (leave_kernel, from the last look at the inbox to hlt), arch/asm.hpp (wait_for_interrupt).
 * Each atomic operation of the code is one step here. All of them but the relaxed loads of empty() are locked
 * read-modify-writes, so no store buffer is needed: `next` is ordered before the compare-and-swap that follows it.
 *
 * Bounds: two records, two CPUs that push them PUSHES times each in any order, the owner, which pushes to itself SELF times.
 * Two records suffice: the flag and the list know only "empty" and "not empty"; the second record is what can be lost
 * while the first one is served. Two producers suffice: the owner's cases are "mine was first" and "another's was".
 *
 * Broken variants (-D): NOTIFIED_LATE  take_all() clears the flag after it took the list
 *                       QUEUED_LATE    pop() clears the node's flag after the owner looked
 *                       STI_EARLY      interrupts are on before the last look at the inbox
 *                       NO_LAST_LOOK   hlt without looking again (with SELF 0 it is no mistake: the inbox does not lean on that look)
 *                       EMPTY_BY_HEAD  empty() looks at the list alone, so that the flag may stay
 *                       FLAG_FIRST     the producer sets the flag before its push
 */
#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef PUSHES_1
#define PUSHES_1 1
#endif
#ifndef SELF
#define SELF 1
#endif
#define NOBODY 2 /* no record */

byte state[2];  /* what a record is about: rises with each change */
byte served[2]; /* the state at which the owner looked last */
bool queued[2];
byte next[2];
byte head = NOBODY;
bool notified;
bool ipi; /* pending in the owner's local APIC */
bool asleep, user;

/* BasicInbox::push */
inline push(n, own) {
#ifdef FLAG_FIRST
    atomic { was = notified; notified = true };
#endif
    atomic { found = queued[n]; queued[n] = true };
    if
    :: found
    :: else ->
        old = head;
        do
        :: next[n] = old;
           atomic {
               if
               :: head == old -> head = n; break
               :: else -> old = head
               fi
           }
        od;
#ifndef FLAG_FIRST
        atomic { was = notified; notified = true };
#endif
        if
        :: !was && !own -> ipi = true /* send_reschedule */
        :: else
        fi
    fi;
    atomic { old = NOBODY; found = false; was = false; n = 0 }
}

proctype producer(byte left) {
    byte n, old = NOBODY;
    bool found, was;
    do
    :: atomic { left > 0 -> left--; if :: n = 0 :: n = 1 fi; state[n]++ };
        push(n, false)
    :: left == 0 -> break
    od
}

/* The CPU that owns the inbox. */
proctype owner() {
    byte n, batch, old = NOBODY, self = SELF, rest;
    bool found, was, interrupts;
kernel: /* leave_kernel */
    interrupts = false;
    /* serve_inbox: empty() */
    if
    :: head != NOBODY -> skip
#ifndef EMPTY_BY_HEAD
    :: head == NOBODY && notified -> skip
    :: head == NOBODY && !notified -> goto choose
#else
    :: head == NOBODY -> goto choose
#endif
    fi;
    /* take_all */
#ifndef NOTIFIED_LATE
    notified = false;
#endif
    atomic { old = head; head = NOBODY };
#ifdef NOTIFIED_LATE
    notified = false;
#endif
    atomic { /* the reversal; the list is the owner's alone by now */
        batch = NOBODY;
        do
        :: old != NOBODY -> rest = next[old]; next[old] = batch; batch = old; old = rest
        :: else -> break
        od;
        rest = 0
    };
    do
    :: batch != NOBODY ->
        /* InboxBatch::pop, then the look at the state as it is now */
        atomic { n = batch; batch = next[n] };
#ifndef QUEUED_LATE
        queued[n] = false;
        served[n] = state[n];
#else
        served[n] = state[n];
        queued[n] = false;
#endif
        n = 0
    :: else -> break
    od;
choose:
    if
    :: self > 0 -> /* choose() and what it calls push to this CPU's own inbox: no IPI */
        atomic { self--; if :: n = 0 :: n = 1 fi; state[n]++ };
        push(n, true)
    :: true
    fi;
    /* The last look, before user mode and before hlt: empty() again. */
#ifdef STI_EARLY
    interrupts = true;
#endif
#ifndef NO_LAST_LOOK
    if
    :: head != NOBODY -> goto kernel
    :: head == NOBODY ->
#ifdef EMPTY_BY_HEAD
        skip
#else
        if
        :: notified -> goto kernel
        :: else
        fi
#endif
    fi;
#endif
#ifdef STI_EARLY
    if
    :: ipi -> ipi = false /* taken between sti and hlt: interrupt_idle goes back, and hlt follows */
    :: true
    fi;
#endif
    atomic { if :: asleep = true :: user = true fi };
end_rest: /* hlt, or a thread that never enters the kernel by itself: only an interrupt ends either */
    atomic { ipi -> ipi = false; asleep = false; user = false };
    goto kernel
}

init {
    atomic { run owner(); run producer(PUSHES); run producer(PUSHES_1) };
    /* Quiescence: nobody else can move. */
    timeout;
    assert(asleep || user);
    assert(!queued[0] && !queued[1]);                         /* UNSERVED: a record lies in the inbox */
    assert(served[0] == state[0] && served[1] == state[1]) /* UNSEEN: a change nobody looked at */
}
